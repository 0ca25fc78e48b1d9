"""The texts that tokenizers are compared on, from integer tables and a seed; tests/formats/golden_texts.cpp makes the same ones.

Tables: tokenizers/tables.json. A text is a row of parts of thirteen kinds; which, is drawn by xorshift64.
"""
import json
import pathlib
import unicodedata

MASK = (1 << 64) - 1
TABLES = pathlib.Path(__file__).resolve().parent / "tokenizers" / "tables.json"

# Marks, punctuation and formatting characters that are newer than some tables of the reference (Unicode 8 and 9): it takes them for other
# characters. They are left out here and tested by themselves.
NEWER = """61D 7FD 890-891 898-89F 8CA-8E2 9FD-9FE A76 AFA-AFF B55 C04 C3C C77 C84 D00 D3B-D3C D81 EBA 166D 1715 1734 180F 1885-1886
1ABF-1ACE 1B7D-1B7E 1CF2-1CF3 1CF7 1DF6-1DFB 2E43-2E5D 32FF A7F2-A7F4 A82C A8C5 A8FF A9BD AB69 10781-107BA 10D24-10D27 10EAB-10EAD 10F46-10F59
10F82-10F89 11070 11073-11074 110C2 110CD 11145-11146 111C9-111CF 1123E 1133B 11438-1145E 11660-1166C 116B9 1182C-1183B 11930-11946 119D1-119E4
11A01-11AA2 11C30-11C45 11C70-11C71 11C92-11CB6 11D31-11D47 11D8A-11D97 11EF3-11EF8 11FFF 12FF1-12FF2 13430-13438 16E97-16E9A 16F4F 16F7F-16F87
16FE2-16FF1 1CF00-1CF46 1E000-1E02A 1E130-1E136 1E2AE 1E2EC-1E2EF 1E944-1E95F 1F16C 1FBF0-1FBF9"""

WORDS = """the The cat's dogs sat on a mat it's we'll I'm you've they'd don't 'tis IT'S WE'LL isn't cannot running runner unhappiness internationalization
antidisestablishmentarianism hello world Hello World token tokenizer attention heads transformer model layer query key value softmax New York London
2023 12345 3.14159 1,000,000 100% $5.00 x2 a1b2 user@example.com https://example.org/path?q=1 C++ C# e.g. i.e. Mr. U.S.A. do not can't
na\u00efve caf\u00e9 \u00fcber Stra\u00dfe \u0130stanbul \u0131rmak Gro\u00df fa\u00e7ade \u00e9t\u00e9 \u017ft a\u030a e\u0301 o\u0302\u0323 \u1e9b\u0323 \ufb01n \u2460 \u00bd \u2126
\u041f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440 \u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u039f\u03a3 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u0628\u0627\u0644\u0639\u0627\u0644\u0645 \u0928\u092e\u0938\u094d\u0924\u0947 \u4f60\u597d \u4e16\u754c \u3053\u3093\u306b\u3061\u306f \uc548\ub155 \u0e2a\u0e27\u0e31\u0e2a\u0e14\u0e35
def return for(i=0;i<10;++i) { } == != <= >= // # --- ... ?! ((( ))) [x] {y} <b> </b> _under_score_ CamelCase snake_case \u2581 \u2581the \u0120the \u010a ## ##ing <0x41> <0xE2> </w>""".split()
SPACES = [" ", " ", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n", "\n ", "\u00a0", "\u3000", "\u2003", "\u2028", "\u2029", "\u0085", "\u000b", "\u000c", "\u1680", "\u200b", "\ufeff", "     ", "          "]
EMOJI = ["\U0001f600", "\u2764\ufe0f", "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "1\ufe0f\u20e3", "\U0001f44d\U0001f3fd", "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
         "\u200d", "\ufe0f", "\u202e", "\u202c", "\u200f", "\ufffd", "\ufffd\ufffd", "\u00ad", "\x00", "\x01", "\x1b[0m", "\x7f", "\x80", "\x9f", "\ue000", "\U000f0000", "\ufdd0", "\uffff", "\U0010ffff"]
SCRIPTS = [[0x21, 0x7e], [0x30, 0x39], [0x41, 0x5a], [0x61, 0x7a], [0xa1, 0xff], [0x100, 0x24f], [0x250, 0x2af], [0x2b0, 0x2ff], [0x300, 0x34e], [0x391, 0x3ce], [0x400, 0x45f], [0x531, 0x556],
           [0x5b0, 0x5ea], [0x60c, 0x669], [0x710, 0x74a], [0x901, 0x963], [0x985, 0x9cc], [0xb85, 0xbcd], [0xc85, 0xccd], [0xe01, 0xe4f], [0xe81, 0xecd], [0xf40, 0xf84], [0x1000, 0x104f], [0x10d0, 0x10fa], [0x1100, 0x11f9], [0x1200, 0x135a],
           [0x13a0, 0x13f4], [0x1400, 0x14ff], [0x1780, 0x17d3], [0x1820, 0x1877], [0x1e00, 0x1eff], [0x1f00, 0x1ffe], [0x2010, 0x205e], [0x2070, 0x209c], [0x20a0, 0x20bd], [0x2100, 0x218b], [0x2190, 0x22ff], [0x2460, 0x24ff], [0x2500, 0x25ff],
           [0x2600, 0x27bf], [0x3001, 0x303f], [0x3041, 0x3096], [0x3099, 0x30ff], [0x3105, 0x312d], [0x3200, 0x33fe], [0x4e00, 0x9fcc], [0xa000, 0xa48c], [0xac00, 0xd7a3], [0xf900, 0xfa6d], [0xfb00, 0xfb1d], [0xfb50, 0xfdfb],
           [0xff01, 0xff5e], [0xff61, 0xff9f], [0x10400, 0x1044f], [0x1d400, 0x1d7ff], [0x1f300, 0x1f5ff], [0x1f600, 0x1f64f], [0x20000, 0x2a6d6], [0x2f800, 0x2fa1d]]


def ranges_of(text):
    return [[int(x, 16) for x in (part.split("-") * 2)[:2]] for part in text.split()]


def write_tables():
    newer = set(c for a, b in ranges_of(NEWER) for c in range(a, b + 1))
    def runs(first, last):
        out = []
        for c in range(first, last + 1):
            if c in newer or 0xd800 <= c < 0xe000 or unicodedata.category(chr(c)) in ("Cn", "Cs"):
                continue
            if out and out[-1][1] == c - 1:
                out[-1][1] = c
            else:
                out.append([c, c])
        return out
    classes = [runs(a, b) for a, b in SCRIPTS]
    classes.append(runs(0x20, 0x2ffff))
    tables = {"words": WORDS, "spaces": SPACES, "others": EMOJI, "classes": classes, "newer": ranges_of(NEWER)}
    TABLES.parent.mkdir(exist_ok=True)
    text = json.dumps(tables, ensure_ascii=True, separators=(",", ":"))
    TABLES.write_text(text.replace('],"', '],\n"') + "\n")


class Draw:
    def __init__(self, seed, index):
        self.state = ((index + 1) * 0x9E3779B97F4A7C15 + seed) & MASK or 1
        for _ in range(4):
            self.step()

    def step(self):
        s = self.state
        s ^= (s << 13) & MASK
        s ^= s >> 7
        s ^= (s << 17) & MASK
        self.state = s
        return s

    def below(self, n):
        return (self.step() >> 32) % n


class Texts:
    def __init__(self, seed, specials):
        tables = json.loads(TABLES.read_text())
        self.seed, self.specials = seed, specials
        self.words, self.spaces, self.others = tables["words"], tables["spaces"], tables["others"]
        self.classes = [(c, sum(b - a + 1 for a, b in c)) for c in tables["classes"]]

    def character(self, draw, which):
        ranges, size = self.classes[which]
        at = draw.below(size)
        for a, b in ranges:
            if at <= b - a:
                return chr(a + at)
            at -= b - a + 1

    def part(self, draw):
        kind = draw.below(16)
        if kind < 5:
            word = self.words[draw.below(len(self.words))]
            case = draw.below(8)
            if case == 0:
                return "".join(chr(ord(c) - 32) if "a" <= c <= "z" else c for c in word)
            return word
        if kind < 8:
            which = draw.below(len(self.classes))
            return "".join(self.character(draw, which) for _ in range(1 + draw.below(6)))
        if kind == 8:
            return "".join(self.character(draw, draw.below(len(self.classes))) for _ in range(1 + draw.below(4)))
        if kind == 9:
            return self.spaces[draw.below(len(self.spaces))] * (1 + draw.below(2))
        if kind == 10:
            return "".join(chr(0x30 + draw.below(10)) for _ in range(1 + draw.below(7)))
        if kind == 11:
            return self.others[draw.below(len(self.others))]
        if kind == 12:
            return self.specials[draw.below(len(self.specials))] if self.specials else "<none>"
        if kind == 13:
            return chr(0x61 + draw.below(26)) + "".join(self.character(draw, 8) for _ in range(1 + draw.below(3)))
        if kind == 14:
            return self.character(draw, len(self.classes) - 1)
        return "".join(self.character(draw, 0) for _ in range(1 + draw.below(5)))

    def make(self, index):
        draw = Draw(self.seed, index)
        out = []
        for _ in range(draw.below(9)):
            between = draw.below(3)
            if between == 1:
                out.append(" ")
            elif between == 2:
                out.append(self.spaces[draw.below(len(self.spaces))])
            out.append(self.part(draw))
        return "".join(out)


class Hash:
    """FNV-1a over 32-bit words."""
    def __init__(self):
        self.value = 0xcbf29ce484222325

    def add(self, words):
        h = self.value
        for w in words:
            h = ((h ^ w) * 0x100000001b3) & MASK
        self.value = h

    def hex(self):
        return f"{self.value:016x}"


if __name__ == "__main__":
    write_tables()
