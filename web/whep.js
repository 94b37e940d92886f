// One rendition shown in one <video>: a WHEP session that is made again whenever it breaks.

const FIRST_PAUSE = 200, LONGEST_PAUSE = 2000; // ms
const SILENCE = 3000; // ms without a packet until the session counts as broken

/** Sessions to end when the page is closed: URL -> token. */
const open = new Map();
addEventListener('pagehide', () => open.forEach((token, resource) => end(resource, token)));

/**
 * Shows `rendition` in `video`, for ever. `say(text)` gets what to tell people, '' when the picture is there.
 * URLs are relative to the page, so that it works under any path prefix.
 */
export async function watch(rendition, video, token, say) {
  for (let pause = FIRST_PAUSE; ; ) {
    const outcome = await session(rendition, video, token, say).catch((error) => ({ say: String(error.message || error) }));
    if (outcome.played) pause = FIRST_PAUSE;
    say(outcome.say);
    await sleep(outcome.retryAfter ?? pause * (0.75 + Math.random() / 2));
    pause = Math.min(pause * 2, LONGEST_PAUSE);
  }
}

/** Resolves when the session is over: {say, played, retryAfter in ms}. */
async function session(rendition, video, token, say) {
  const peer = new RTCPeerConnection();
  let resource;
  try {
    peer.addTransceiver('video', { direction: 'recvonly' });
    peer.addTransceiver('audio', { direction: 'recvonly' });
    const stream = new MediaStream();
    peer.ontrack = ({ track }) => { stream.addTrack(track); video.srcObject = stream; };
    await peer.setLocalDescription();

    const url = new URL(`whep?rendition=${rendition}`, document.baseURI);
    const headers = { 'content-type': 'application/sdp', ...authorization(token) };
    const answer = await fetch(url, { method: 'POST', headers, body: peer.localDescription.sdp });
    if (answer.status !== 201) return refusal(rendition, answer);
    resource = new URL(answer.headers.get('location'), url);
    open.set(resource, token);
    await peer.setRemoteDescription({ type: 'answer', sdp: await answer.text() });
    return { say: 'The connection broke. Trying again …', played: await untilSilent(peer, say) };
  } finally {
    peer.close();
    if (resource) end(resource, token);
  }
}

/** Whether anything was played until packets stopped coming. */
async function untilSilent(peer, say) {
  let packets = 0, heard = performance.now();
  for (;;) {
    await sleep(250);
    const received = await packetsReceived(peer);
    if (received !== packets) {
      if (packets === 0) say('');
      packets = received;
      heard = performance.now();
    }
    const broken = ['failed', 'closed'].includes(peer.connectionState);
    if (broken || performance.now() - heard > SILENCE) return packets > 0;
  }
}

async function packetsReceived(peer) {
  const report = [...(await peer.getStats()).values()];
  return report.filter(({ type, kind }) => type === 'inbound-rtp' && kind === 'video').reduce((sum, { packetsReceived }) => sum + packetsReceived, 0);
}

function refusal(rendition, answer) {
  const retryAfter = 1000 * (Number(answer.headers.get('retry-after')) || 2);
  switch (answer.status) {
    case 401: case 403: return { say: 'This stream needs a token: open the page as …/#token=TOKEN', retryAfter: 10000 };
    case 404: case 409: return { say: nothingToShow(rendition), retryAfter };
    case 503: return { say: 'The stream is just starting or full. Trying again …', retryAfter };
    default: return { say: `The server answered ${answer.status}. Trying again …`, retryAfter };
  }
}

function nothingToShow(rendition) {
  if (rendition === 'enhanced') return 'Nothing is enhanced yet.';
  return `Nothing is published yet. For example:\nacuity publish FILE --whip ${new URL('whip', document.baseURI)}`;
}

function end(resource, token) {
  open.delete(resource);
  fetch(resource, { method: 'DELETE', headers: authorization(token), keepalive: true }).catch(() => {});
}

export function authorization(token) {
  return token ? { authorization: `Bearer ${token}` } : {};
}

export function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
