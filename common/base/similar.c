#include "common/base/similar.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORD_MAX 40 /* longer words are never near */

static char lower(char c) {
        return c >= 'A' && c <= 'Z' ? (char) (c - 'A' + 'a') : c;
}

static unsigned least(unsigned a, unsigned b) {
        return a < b ? a : b;
}

static bool is_swapped(const char *a, const char *b, size_t i, size_t k) {
        return i > 1 && k > 1 && lower(a[i - 1]) == lower(b[k - 2]) &&
               lower(a[i - 2]) == lower(b[k - 1]);
}

/* Damerau and Levenshtein's, with neighbours swapped once ("optimal string alignment"). */
static unsigned distance(const char *a, const char *b) {
        unsigned rows[WORD_MAX + 1][WORD_MAX + 1];
        size_t n = strlen(a), m = strlen(b);

        for (size_t i = 0; i <= n; i++)
                rows[i][0] = (unsigned) i;
        for (size_t k = 0; k <= m; k++)
                rows[0][k] = (unsigned) k;
        for (size_t i = 1; i <= n; i++)
                for (size_t k = 1; k <= m; k++) {
                        unsigned change = lower(a[i - 1]) != lower(b[k - 1]);

                        rows[i][k] = least(rows[i - 1][k - 1] + change,
                                           least(rows[i - 1][k], rows[i][k - 1]) + 1);
                        if (is_swapped(a, b, i, k))
                                rows[i][k] = least(rows[i][k], rows[i - 2][k - 2] + 1);
                }
        return rows[n][m];
}

struct similar similar_to(const char *typed) {
        size_t n = strlen(typed);

        return (struct similar){ .typed = typed, .distance = n < 3 ? 2 : (unsigned) n / 3 + 1 };
}

void similar_try(struct similar *s, const char *word) {
        size_t n = strlen(s->typed);
        unsigned d;

        if (n > WORD_MAX || strlen(word) > WORD_MAX)
                return;
        d = distance(s->typed, word);
        if (d > 1 && n >= 2 && strncasecmp(s->typed, word, n) == 0)
                d = 1;
        if (d >= s->distance)
                return;
        s->distance = d;
        s->best = word;
}

const char *similar_text(const struct similar *s, char ret[64]) {
        (void) snprintf(ret, 64, "%s%.40s%s", s->best ? ", did you mean `" : "",
                        s->best ? s->best : "", s->best ? "`" : "");
        return ret;
}
