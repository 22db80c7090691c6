import './answer.css';
