import './answer.css';
import './cells.css';
import './work.css';
