/** Entry point of the side panel. */

import './translations';
import { startApp } from './app';
import { connectToVsCode } from './host';
import { registerControls } from './toolkit';
import './style.css';

registerControls();
void startApp(document.getElementById('app')!, connectToVsCode());
