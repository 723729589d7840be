#include "services/worker/tables/sniff.h"

#define SNIFF_BYTES (64u << 10)
#define SNIFF_ROWS  200

struct guess {
        size_t n_columns; /* of the first row */
        bool is_even;     /* every row looked at has as many */
};

/* The last row may be cut short: what is wrong at the very end proves nothing. */
static struct guess try_delimiter(struct bytes data, bool is_cut, char delimiter) {
        const struct csv_options o = { .delimiter = delimiter, .quote = '"' };
        struct table_fault fault;
        struct csv_reader r;
        struct guess g = {};
        int result = TABLE_OK;

        csv_begin(&r, data, &o, &fault);
        for (unsigned i = 0; i < SNIFF_ROWS && result == TABLE_OK; i++)
                result = csv_next(&r);
        g.n_columns = r.n_columns ? r.n_columns : r.n_fields;
        g.is_even = result == TABLE_OK || result == TABLE_END || (is_cut && r.at == r.end) ||
                    (is_cut && memchr(r.at, '\n', (size_t) (r.end - r.at)) == NULL);
        csv_done(&r);
        return g;
}

char sniff_delimiter(struct bytes data) {
        static const char candidates[] = { ',', '\t', ';', '|' };
        bool is_cut = data.len > SNIFF_BYTES;
        struct guess best = {};
        char delimiter = ',';

        if (is_cut)
                data.len = SNIFF_BYTES;
        for (size_t i = 0; i < sizeof(candidates); i++) {
                struct guess g = try_delimiter(data, is_cut, candidates[i]);

                g.is_even = g.is_even && g.n_columns > 1;
                if (g.n_columns < 2 || (best.is_even && !g.is_even) ||
                    (g.is_even == best.is_even && g.n_columns <= best.n_columns))
                        continue;
                best = g;
                delimiter = candidates[i];
        }
        return delimiter;
}
