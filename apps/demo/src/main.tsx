import { render } from 'preact';
import { App } from './shell/app.jsx';
import './shell/base.css';

render(<App />, document.getElementById('app')!);
