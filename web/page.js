// The page of one stream: shows both renditions and what the media-node says of them.

import { GainChart } from './chart.js';
import { follow } from './events.js';
import { move, watch } from './whep.js';

const MOST_EVENTS = 12;

const byId = (id) => document.getElementById(id);
const token = new URLSearchParams(location.hash.slice(1)).get('token');
const chart = new GainChart(byId('gain-chart'));

for (const figure of document.querySelectorAll('figure')) {
  const [video, message] = [figure.querySelector('video'), figure.querySelector('.message')];
  watch(figure.dataset.rendition, video, token, (text) => {
    message.textContent = text;
    message.classList.toggle('shown', text !== '');
  });
  video.onresize = () => {
    figure.querySelector('.size').textContent = `${video.videoWidth} × ${video.videoHeight}`;
    figure.querySelector('.screen').style.aspectRatio = `${video.videoWidth} / ${video.videoHeight}`;
  };
  lookCloser(figure.querySelector('.screen'));
}

follow(token, receive, () => state('no connection', 'bad'));

byId('sound').onclick = ({ currentTarget: button }) => {
  const video = byId('enhanced');
  video.muted = !video.muted;
  button.textContent = video.muted ? 'sound on' : 'sound off';
  button.setAttribute('aria-pressed', String(!video.muted));
};

function receive(name, data) {
  if (name === 'status') return showStatus(data);
  if (name === 'moved') move(data.url);
  showEvent(data);
}

function showStatus(status) {
  const { learning, uplink_kbps: uplink, frames_per_second: frames } = status;
  byId('stream').textContent = status.stream;
  byId('viewers').textContent = status.viewers === 1 ? '1 viewer' : `${status.viewers} viewers`;
  if (!status.publishing) state('nothing published');
  else if (!status.enhanced_live) state('live, source only', 'live');
  else state(learning.withdrawn || learning.live_version === 0 ? 'live, bicubic' : 'live, enhanced', 'live');

  if (learning.gain_db != null) {
    byId('gain').textContent = signed(learning.gain_db);
    chart.add(Date.now() / 1000, learning.gain_db);
  }
  show('bicubic-psnr', learning.bicubic_psnr_db, 2, ' dB');
  show('enhanced-psnr', learning.enhanced_psnr_db, 2, ' dB');
  const version = ['none yet', 'general weights'][learning.live_version] ?? learning.live_version;
  byId('version').textContent = `${version}${learning.withdrawn ? ' (withdrawn)' : ''}`;
  show('accepted', learning.checkpoints_accepted);
  show('rejected', Object.values(learning.checkpoints_rejected_by_reason).reduce((sum, count) => sum + count, 0));

  const kinds = Object.entries(uplink);
  show('uplink', kinds.reduce((sum, [, kbps]) => sum + kbps, 0));
  for (const [kind, kbps] of kinds) {
    byId('split').querySelector(`.${kind}`).style.flexGrow = Math.max(kbps, 0.01);
    if (kind !== 'other') show(`uplink-${kind}`, kbps);
  }
  show('source-fps', frames.source, 1);
  show('enhanced-fps', frames.enhanced, 1);
}

function showEvent(event) {
  const at = event.at_unix_us / 1e6;
  const mark = { checkpoint_accepted: 'accepted', restored: 'accepted', withdrawn: 'withdrawn', scene_change: 'scene' }[event.kind];
  if (mark) chart.mark(at, mark);

  const item = document.createElement('li');
  const time = document.createElement('time');
  time.textContent = new Date(at * 1000).toLocaleTimeString([], { hour12: false });
  item.append(time, sentence(event));
  const list = byId('events');
  list.prepend(item);
  while (list.children.length > MOST_EVENTS) list.lastChild.remove();
}

function sentence(event) {
  switch (event.kind) {
    case 'checkpoint_accepted': return `checkpoint ${event.version} in use, ${signed(event.gain_db)} dB`;
    case 'checkpoint_rejected': return `checkpoint rejected: ${event.detail || event.reason}`;
    case 'withdrawn': return `checkpoint ${event.version} withdrawn: ${event.reason}`;
    case 'restored': return `checkpoint ${event.version} in use again`;
    case 'scene_change': return 'scene change';
    case 'publisher_connected': return 'publisher connected';
    case 'publisher_gone': return `publisher gone: ${event.reason}`;
    case 'enhancer_connected': return 'enhancer connected';
    case 'enhancer_gone': return 'enhancer gone';
    case 'pairer_started': return 'pairing of patches started';
    case 'pairer_died': return `pairing died: ${event.reason}`;
    case 'moved': return 'another media-node takes over';
    default: return event.kind.replaceAll('_', ' ');
  }
}

/** While pressed, both pictures show the place under the pointer, larger. */
function lookCloser(screen) {
  const all = document.querySelector('.pictures');
  const move = (event) => {
    const { left, top, width, height } = screen.getBoundingClientRect();
    all.style.setProperty('--x', `${(100 * (event.clientX - left)) / width}%`);
    all.style.setProperty('--y', `${(100 * (event.clientY - top)) / height}%`);
  };
  screen.onpointerdown = (event) => {
    screen.setPointerCapture(event.pointerId);
    move(event);
    all.classList.add('closer');
  };
  screen.onpointermove = move;
  screen.onpointerup = screen.onpointercancel = () => all.classList.remove('closer');
}

function state(text, kind = '') {
  byId('state').textContent = text;
  byId('state').className = `badge ${kind}`;
}

function show(id, value, digits = 0, unit = '') {
  byId(id).textContent = value == null ? '–' : value.toFixed(digits) + unit;
}

function signed(decibels) {
  return `${decibels < 0 ? '−' : '+'}${Math.abs(decibels).toFixed(2)}`;
}
