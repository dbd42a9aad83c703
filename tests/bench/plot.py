# SPDX-License-Identifier: GPL-2.0
"""The bench's figures as a plot: a group of bars a row, a bar a peer."""

from xml.sax.saxutils import escape

COLORS = ("#999999", "#c8b273", "#b58f4d", "#8f6d2f", "#74a9cf", "#3690c0",
          "#045a8d", "#d7301f", "#41ab5d", "#6a51a3", "#bcbddc", "#fc8d59")
BAR, GAP, LEFT, WIDTH = 9, 14, 210, 900


def row_names(found):
    """Return the rows' names, of which some peers have not got all."""
    return list(dict.fromkeys(r for rows in found.values() for r in rows))


def svg(found):
    """Return an SVG document; the longest bar of a group has full length."""
    parts, y = [], 34
    for name in row_names(found):
        bars = [(p, rows[name]) for p, rows in found.items() if name in rows]
        longest = max(v for _, v in bars)
        parts.append(text(6, y + BAR, name, "bold"))
        for peer, value in bars:
            color = COLORS[list(found).index(peer) % len(COLORS)]
            length = value / longest * (WIDTH - LEFT - 170)
            parts.append(f'<rect x="{LEFT}" y="{y}" width="{length:.1f}" '
                         f'height="{BAR - 1}" fill="{color}"/>')
            parts.append(text(LEFT + length + 4, y + BAR - 2,
                              f"{peer} {value / 1000:.1f}"))
            y += BAR
        y += GAP
    head = text(6, 18, "Thousand instructions per request, both ends, "
                "one guest", "bold")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" '
            f'height="{y}" font-family="sans-serif" font-size="9">\n'
            f'<rect width="100%" height="100%" fill="white"/>\n{head}\n'
            + "\n".join(parts) + "\n</svg>\n")


def text(x, y, words, weight="normal"):
    """Return one line of text."""
    return (f'<text x="{x:.1f}" y="{y}" font-weight="{weight}">'
            f'{escape(words)}</text>')
