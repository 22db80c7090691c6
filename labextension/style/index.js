import './answer.css';
import './cells.css';
