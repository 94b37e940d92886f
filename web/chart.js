// The gain over time as one SVG, with a mark for each change of weights.

const SPAN = 300; // seconds shown
const LEFT = 44, BOTTOM = 20, TOP = 8;

export class GainChart {
  #svg;
  #points = []; // {at, gain}: seconds, dB
  #marks = []; // {at, kind}

  constructor(svg) {
    this.#svg = svg;
    new ResizeObserver(() => this.#draw()).observe(svg);
  }

  add(at, gain) {
    this.#points.push({ at, gain });
    this.#forget(at);
    this.#draw();
  }

  mark(at, kind) {
    this.#marks.push({ at, kind });
    this.#draw();
  }

  #forget(now) {
    const recent = ({ at }) => at > now - SPAN;
    this.#points = this.#points.filter(recent);
    this.#marks = this.#marks.filter(recent);
  }

  #draw() {
    const { clientWidth: width, clientHeight: height } = this.#svg;
    this.#svg.setAttribute('viewBox', `0 0 ${width} ${height}`);
    this.#svg.dataset.points = this.#points.length;
    if (this.#points.length === 0 || width === 0) return;

    const now = this.#points.at(-1).at;
    const begin = Math.min(this.#points[0].at, now - 30);
    const gains = this.#points.map(({ gain }) => gain);
    const [low, high, step] = range(Math.min(0, ...gains), Math.max(0.5, ...gains));
    const x = (at) => LEFT + ((at - begin) / (now - begin)) * (width - LEFT);
    const y = (gain) => TOP + ((high - gain) / (high - low)) * (height - TOP - BOTTOM);

    const parts = [];
    for (let gain = low; gain <= high + step / 2; gain += step) {
      const kind = Math.abs(gain) < step / 2 ? 'zero' : 'grid';
      parts.push(`<line class="${kind}" x1="${LEFT}" x2="${width}" y1="${y(gain)}" y2="${y(gain)}"/>`);
      parts.push(`<text x="${LEFT - 8}" y="${y(gain) + 4}" text-anchor="end">${gain.toFixed(step < 0.1 ? 2 : 1)}</text>`);
    }
    const every = [10, 30, 60].find((seconds) => (now - begin) / seconds <= 6) ?? 60;
    for (let ago = every; ago <= now - begin; ago += every) {
      parts.push(`<text x="${x(now - ago)}" y="${height - 4}" text-anchor="middle">${ago < 60 ? `−${ago} s` : `−${ago / 60} min`}</text>`);
    }
    for (const { at, kind } of this.#marks.filter(({ at }) => at >= begin)) {
      parts.push(`<line class="mark ${kind}" x1="${x(at)}" x2="${x(at)}" y1="${height - BOTTOM - 7}" y2="${height - BOTTOM}"/>`);
    }
    const curve = this.#points.map(({ at, gain }) => `${x(at).toFixed(1)},${y(gain).toFixed(1)}`).join('L');
    parts.push(`<path class="area" d="M${x(this.#points[0].at)},${y(0)}L${curve}L${x(now)},${y(0)}Z"/>`);
    parts.push(`<path class="curve" d="M${curve}"/>`);
    this.#svg.innerHTML = parts.join('');
  }
}

/** Round limits around low..high and a round step of at most 6 lines. */
function range(low, high) {
  const step = [0.05, 0.1, 0.2, 0.5, 1, 2, 5].find((candidate) => (high - low) / candidate <= 6) ?? 10;
  return [Math.floor(low / step) * step, Math.ceil(high / step) * step, step];
}
