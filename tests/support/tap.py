"""Results in TAP, one line per check: what a test in Python prints for meson."""
import sys
import traceback


class Tap:
    def __init__(self):
        self.n = self.failed = 0

    def _line(self, ok, name, directive=""):
        self.n += 1
        self.failed += not ok
        print(f"{'ok' if ok else 'not ok'} {self.n} - {name}{directive}", flush=True)

    def check(self, ok, name, *why):
        """One assertion. `why` is printed when it does not hold."""
        self._line(bool(ok), name)
        if not ok:
            for text in why:
                self.note(text)
        return bool(ok)

    def equal(self, got, wanted, name):
        return self.check(got == wanted, name, f"got    {got!r}"[:2000], f"wanted {wanted!r}"[:2000])

    def skip(self, name, why):
        self._line(True, name, f" # SKIP {why}")

    @staticmethod
    def note(text):
        for line in str(text).splitlines() or [""]:
            print(f"# {line}", flush=True)

    def figure(self, text):
        """A number worth reading though the test passed: `deploy/check` shows these lines."""
        self.note(f"figure: {text}")

    def run(self, cases):
        """Runs functions that take this object; an exception is a failed check. Returns the exit code."""
        for case in cases:
            try:
                case(self)
            except Exception:  # the rest shall be seen too
                self.check(False, f"{case.__name__} came to its end", traceback.format_exc())
        print(f"1..{self.n}", flush=True)
        return 1 if self.failed else 0


def skip_all(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)
