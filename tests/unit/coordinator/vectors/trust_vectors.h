/* Written by make_trust.py. */
#pragma once

struct trust_step {
        unsigned n;
        bool is_correct;
        unsigned age_days;
};
static const struct {
        const char *name;
        struct trust_step steps[3];
        double score;
} trust_vectors[] = {
        { "nothing known", { {} }, 0.061490315276161 },
        { "one correct", { { 1, true, 0 } }, 0.150035708820171 },
        { "five correct", { { 5, true, 0 } }, 0.409269879102589 },
        { "twenty correct", { { 20, true, 0 } }, 0.732035957019060 },
        { "the wait ends here", { { 47, true, 0 } }, 0.865396621220453 },
        { "a full window", { { 256, true, 0 } }, 0.972286231268230 },
        { "more than a window: faults fall out",
          { { 50, false, 0 }, { 256, true, 0 } },
          0.972286231268230 },
        { "one fault among twenty",
          { { 10, true, 0 }, { 1, false, 0 }, { 10, true, 0 } },
          0.689957118521424 },
        { "a week old", { { 20, true, 7 } }, 0.577648294913690 },
        { "a month old", { { 20, true, 30 } }, 0.152220671495223 },
        { "old faults fade", { { 10, false, 28 }, { 20, true, 0 } }, 0.704989532115995 },
        { "fresh faults do not", { { 20, true, 28 }, { 10, false, 0 } }, 0.047478308424390 },
        { "only faults", { { 5, false, 0 } }, 0.022416908863296 },
};
