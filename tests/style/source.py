"""C source as tokens: enough of C to find functions, their size and nesting."""
import functools
import re

TOKEN = re.compile(r"""
    (?P<skip>\s+|//[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
  | (?P<word>[A-Za-z_]\w*)
  | (?P<number>\.?\d(?:[eEpP][+-]|[\w.])*)
  | (?P<mark>->|\.\.\.|[^\s\w])
""", re.S | re.X)
DIRECTIVE = re.compile(r"^[ \t]*#(?:\\\n|[^\n])*", re.M)
CONTROL = {"if", "for", "while", "switch"}
OPENERS = {"(": ")", "[": "]", "{": "}"}


class Token(str):
    line = 0


class Function:
    def __init__(self, name, line, end_line, parameters, nesting):
        self.name, self.line, self.end_line = name, line, end_line
        self.parameters, self.nesting = parameters, nesting
        self.is_static = False

    @property
    def lines(self):
        return self.end_line - self.line + 1


def blank(match):
    return re.sub(r"[^\n]", " ", match.group(0))


def without_comments(text):
    """Comments blanked, strings kept: for reading #include lines."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.S)
    return pattern.sub(lambda m: m.group(0) if m.group(0)[0] == '"' else blank(m), text)


def includes(text):
    for number, line in enumerate(without_comments(text).split("\n"), 1):
        found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
        if found:
            yield number, found.group(1), found.group(2)


@functools.cache
def tokens(text):
    """Without comments and preprocessor lines; a string is one token '""'."""
    out, line, at = [], 1, 0
    text = DIRECTIVE.sub(blank, without_comments(text))
    for match in TOKEN.finditer(text):
        line += text.count("\n", at, match.start())
        at = match.start()
        if match.lastgroup == "skip":
            continue
        token = Token('""' if match.lastgroup == "string" else match.group(0))
        token.line = line
        out.append(token)
    return out


def closing(toks, i):
    """Index of what closes the bracket at i."""
    depth = 0
    for j in range(i, len(toks)):
        depth += (toks[j] in OPENERS) - (toks[j] in OPENERS.values())
        if depth == 0:
            return j
    return len(toks) - 1


class Nesting:
    """Deepest control statement below a function body, braces or not."""

    def __init__(self, toks):
        self.toks, self.deepest = toks, 0

    def block(self, i, depth):
        end = closing(self.toks, i)
        i += 1
        while i < end:
            i = self.statement(i, depth)
        return end + 1

    def controlled(self, i, depth):
        self.deepest = max(self.deepest, depth)
        return self.statement(i, depth)

    def at(self, i):
        return self.toks[i] if i < len(self.toks) else ""

    def statement(self, i, depth):
        token = self.at(i)
        if token == "{":
            return self.block(i, depth)
        if token == "else":
            return self.statement(i + 1, depth) if self.at(i + 1) == "if" else self.controlled(i + 1, depth + 1)
        if token == "do":
            return self.simple(self.controlled(i + 1, depth + 1))
        if token in ("case", "default") or (self.at(i + 1) == ":" and re.match(r"\w", token)):
            return self.label(i)
        if token in CONTROL or self.is_loop_macro(i):
            return self.controlled(closing(self.toks, i + 1) + 1, depth + 1)
        return self.simple(i)

    def label(self, i):
        while i < len(self.toks) and self.toks[i] != ":":
            i = closing(self.toks, i) if self.toks[i] in OPENERS else i
            i += 1
        return i + 1

    def is_loop_macro(self, i):
        if not re.fullmatch(r"[A-Z][A-Z0-9_]*", self.at(i)) or self.at(i + 1) != "(":
            return False
        after = self.at(closing(self.toks, i + 1) + 1)
        return after == "{" or ("EACH" in self.at(i) and after != ";")

    def simple(self, i):
        while i < len(self.toks) and self.toks[i] != ";":
            i = closing(self.toks, i) + 1 if self.toks[i] in OPENERS else i + 1
        return i + 1


def parameter_count(toks, i, end):
    inside = toks[i + 1:end]
    if not inside or inside == ["void"]:
        return 0
    depth, count = 0, 1
    for token in inside:
        depth += (token in OPENERS) - (token in OPENERS.values())
        count += token == "," and depth == 0
    return count


def opening(toks, i):
    depth = 0
    for j in range(i, -1, -1):
        depth += (toks[j] in OPENERS.values()) - (toks[j] in OPENERS)
        if depth == 0:
            return j
    return 0


def functions(text):
    toks, i, start = tokens(text), 0, 0
    while i < len(toks):
        if toks[i] == "{":
            end = closing(toks, i)
            if i > 0 and toks[i - 1] == ")":
                left = opening(toks, i - 1)
                nesting = Nesting(toks[:end + 1])
                nesting.block(i, 0)
                function = Function(str(toks[left - 1]), toks[start].line, toks[end].line,
                                    parameter_count(toks, left, i - 1), nesting.deepest)
                function.is_static = "static" in toks[start:left]
                yield function
                start = end + 1
            i = end
        elif toks[i] == ";":
            start = i + 1
        elif toks[i] in "([":
            i = closing(toks, i)
        i += 1


def calls(text):
    """Names called as plain functions: not members, not definitions at file level."""
    toks, depth = tokens(text), 0
    for i, token in enumerate(toks):
        depth += (token == "{") - (token == "}")
        if depth > 0 and i + 1 < len(toks) and toks[i + 1] == "(" and re.match(r"[A-Za-z_]", token):
            if toks[i - 1] not in (".", "->"):
                yield token.line, str(token)
