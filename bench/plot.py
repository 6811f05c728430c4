"""Plots as SVG, without a library: panels with lines over a doubling scale, beside their targets."""
import math

WIDTH, HEIGHT = 440, 300  # of a panel
LEFT, RIGHT, TOP, BOTTOM = 58, 26, 40, 66
COLOURS = ("#1f6feb", "#bc4c00", "#1a7f37", "#8250df")
TEXT = 'font-family="sans-serif" font-size="%d" fill="#24292f"'


def label(x, y, text, size=11, anchor="middle", more=""):
    return '<text x="%.1f" y="%.1f" text-anchor="%s" %s %s>%s</text>' % (x, y, anchor, TEXT % size, more, text)


def line(x1, y1, x2, y2, colour="#d0d7de", more=""):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" %s/>' % (x1, y1, x2, y2, colour, more)


def number(value):
    return "{:,}".format(int(value)) if value >= 1 else "%g" % value


def y_range(panel):
    """Powers of ten around all that is drawn; or from 0, where the panel is not a logarithmic one."""
    values = [y for _, points in panel["lines"] for _, y in points] + [y for _, y in panel.get("targets", [])]
    if panel.get("log"):
        return 10 ** math.floor(math.log10(min(values))), 10 ** math.ceil(math.log10(max(values)))
    return 0, max(values) * 1.1


def y_ticks(panel, low, high):
    if panel.get("log"):
        return [10.0 ** power for power in range(round(math.log10(low)), round(math.log10(high)) + 1)]
    step = 10 ** math.floor(math.log10(high))
    step = step / 5 if high / step < 2 else step / 2 if high / step < 5 else step
    return [i * step for i in range(int(high / step) + 1)]


def draw_panel(panel, left, top):
    """`panel`: title, x (what is below), lines [(name, [(x, y)])], targets [(name, y)], log."""
    xs = sorted({x for _, points in panel["lines"] for x, _ in points})
    low, high = y_range(panel)

    def across(x):
        return left + LEFT + (WIDTH - LEFT - RIGHT) * math.log(x / xs[0]) / math.log(xs[-1] / xs[0])

    def down(y):
        part = math.log(y / low) / math.log(high / low) if panel.get("log") else (y - low) / (high - low)
        return top + HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * part

    out = [label(left + WIDTH / 2, top + 20, panel["title"], 13, more='font-weight="bold"')]
    for y in y_ticks(panel, low, high):
        out += [line(across(xs[0]), down(y), across(xs[-1]), down(y)),
                label(across(xs[0]) - 6, down(y) + 4, number(y), anchor="end")]
    out += [label(across(x), down(low) + 16, number(x)) for x in xs]
    out.append(label(left + WIDTH / 2, down(low) + 32, panel["x"]))
    for name, y in panel.get("targets", []):
        out += [line(across(xs[0]), down(y), across(xs[-1]), down(y), "#cf222e", 'stroke-dasharray="6 4"'),
                label(across(xs[-1]), down(y) - 5, name, anchor="end", more='font-style="italic"')]
    place = left + LEFT
    for (name, points), colour in zip(panel["lines"], COLOURS):
        path = " ".join("%.1f,%.1f" % (across(x), down(y)) for x, y in points)
        out.append('<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>' % (path, colour))
        out += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (across(x), down(y), colour) for x, y in points]
        out += [line(place, top + HEIGHT - 14, place + 16, top + HEIGHT - 14, colour, 'stroke-width="2"'),
                label(place + 20, top + HEIGHT - 10, name, anchor="start")]
        place += 30 + 6.2 * len(name)
    return out


def draw(path, panels, columns=2):
    rows = math.ceil(len(panels) / columns)
    out = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d">' % (columns * WIDTH, rows * HEIGHT),
           '<rect width="100%" height="100%" fill="#ffffff"/>']
    for i, panel in enumerate(panels):
        out += draw_panel(panel, i % columns * WIDTH, i // columns * HEIGHT)
    with open(path, "w", encoding="utf-8") as svg:
        svg.write("\n".join(out + ["</svg>", ""]))
