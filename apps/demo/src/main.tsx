import { render } from 'preact';
import { isolate } from './isolation/isolate.js';
import { App } from './shell/app.jsx';
import './shell/base.css';

if (!(await isolate())) render(<App />, document.getElementById('app')!);
