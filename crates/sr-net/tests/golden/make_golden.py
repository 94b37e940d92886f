"""Writes vectors.json: what sr-net must compute, by an independent implementation in float64.

Plain loops over the definitions; nothing here was read from the Rust code.  Usage (numpy and scipy installed):

    python make_golden.py > vectors.json
"""

import json
import math

import numpy as np
from scipy.ndimage import correlate1d

rng = np.random.default_rng(20261121)


def picture(width, height):
    """Gradients, an edge, and noise: nothing that a wrong tap would leave alone."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    smooth = 120 + 90 * np.sin(0.7 * x + 0.3 * y) + 40 * (x > width / 2)
    return np.clip(smooth + rng.normal(0, 25, (height, width)), 0, 255).astype(np.uint8)


def keys(x, a=-0.5):
    x = abs(x)
    if x < 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    if x < 2:
        return a * x**3 - 5 * a * x**2 + 8 * a * x - 4 * a
    return 0.0


def resample(plane, scale):
    """Every source sample is asked for its weight; samples outside repeat the edge."""
    height, width = plane.shape
    out = np.zeros((height * scale, width * scale))
    for oy in range(height * scale):
        for ox in range(width * scale):
            cy, cx = (oy + 0.5) / scale - 0.5, (ox + 0.5) / scale - 0.5
            total = 0.0
            for sy in range(math.floor(cy) - 2, math.floor(cy) + 4):
                for sx in range(math.floor(cx) - 2, math.floor(cx) + 4):
                    sample = plane[min(max(sy, 0), height - 1), min(max(sx, 0), width - 1)]
                    total += keys(cy - sy) * keys(cx - sx) * float(sample)
            out[oy, ox] = total
    return out


def to_bytes(plane):
    return np.floor(np.clip(plane, 0, 255) + 0.5).astype(np.uint8)


def conv3x3(channels, weight, bias):
    outputs, inputs = weight.shape[:2]
    height, width = channels.shape[1:]
    out = np.zeros((outputs, height, width))
    for o in range(outputs):
        for y in range(height):
            for x in range(width):
                total = bias[o]
                for i in range(inputs):
                    for ky in range(3):
                        for kx in range(3):
                            sy, sx = y + ky - 1, x + kx - 1
                            if 0 <= sy < height and 0 <= sx < width:
                                total += weight[o, i, ky, kx] * channels[i, sy, sx]
                out[o, y, x] = total
    return out


def unshuffle(plane, r):
    height, width = plane.shape
    out = np.zeros((r * r, height // r, width // r))
    for y in range(height):
        for x in range(width):
            out[(y % r) * r + x % r, y // r, x // r] = plane[y, x]
    return out


def shuffle(channels, r):
    _, height, width = channels.shape
    out = np.zeros((height * r, width * r))
    for y in range(height * r):
        for x in range(width * r):
            out[y, x] = channels[(y % r) * r + x % r, y // r, x // r]
    return out


def forward(lr, scale, factor, layers):
    unit = lr / 255.0
    channels = unshuffle(unit, factor)
    for index, (weight, bias) in enumerate(layers):
        channels = conv3x3(channels, weight, bias)
        if index + 1 < len(layers):
            channels = np.maximum(channels, 0)
    return resample(unit, scale) + shuffle(channels, scale * factor)


def layers(scale, factor, features, count):
    made = []
    for index in range(count):
        inputs = factor**2 if index == 0 else features
        outputs = (scale * factor) ** 2 if index + 1 == count else features
        spread = 1.0 / math.sqrt(9 * inputs) * (0.3 if index + 1 == count else 1.4)
        # Multiples of 1/1024 are exact as f16, f32 and short as text.
        weight = np.round(rng.normal(0, spread, (outputs, inputs, 3, 3)) * 1024) / 1024
        bias = np.round(rng.normal(0, 0.05, outputs) * 1024) / 1024
        made.append((weight, bias))
    return made


def ssim(a, b):
    """Wang et al. 2004 with a true two-dimensional window, mean over the windows that lie inside."""
    half = np.arange(-5, 6)
    bell = np.exp(-(half**2) / (2 * 1.5**2))
    bell /= bell.sum()

    def local(plane):
        filtered = correlate1d(correlate1d(plane, bell, axis=0), bell, axis=1)
        return filtered[5:-5, 5:-5]

    a, b = a.astype(float), b.astype(float)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    ma, mb = local(a), local(b)
    va, vb, cov = local(a * a) - ma**2, local(b * b) - mb**2, local(a * b) - ma * mb
    return float((((2 * ma * mb + c1) * (2 * cov + c2)) / ((ma**2 + mb**2 + c1) * (va + vb + c2))).mean())


def psnr(a, b):
    mse = ((a.astype(float) - b.astype(float)) ** 2).mean()
    return float(10 * math.log10(255**2 / mse))


def plane(samples):
    return {"width": samples.shape[1], "height": samples.shape[0], "samples": samples.flatten().tolist()}


def main():
    vectors = {"bicubic": [], "forward": [], "measure": []}
    for scale, (width, height) in [(2, (7, 6)), (3, (6, 5)), (4, (5, 4))]:
        src = picture(width, height)
        vectors["bicubic"].append({"scale": scale, "src": plane(src), "output": plane(to_bytes(resample(src, scale)))})
    for scale, factor, features, count in [(2, 1, 4, 3), (3, 1, 3, 2), (2, 2, 2, 3)]:
        lr, made = picture(6, 4), layers(scale, factor, features, count)
        output = forward(lr.astype(float), scale, factor, made)
        vectors["forward"].append(
            {
                "network": [scale, factor, features, count],
                "convolutions": [{"weight": w.flatten().tolist(), "bias": b.tolist()} for w, b in made],
                "lr": plane(lr),
                "output": [round(value, 6) for value in output.flatten().tolist()],
            }
        )
    a = picture(16, 13)
    b = np.clip(a + rng.normal(0, 9, a.shape), 0, 255).astype(np.uint8)
    vectors["measure"].append({"a": plane(a), "b": plane(b), "psnr_db": psnr(a, b), "ssim": ssim(a, b)})
    print(json.dumps(vectors, separators=(",", ":")))


if __name__ == "__main__":
    main()
