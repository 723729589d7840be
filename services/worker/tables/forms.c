#include "services/worker/tables/forms.h"

#include <math.h>
#include <stdlib.h>

#define EXACT_MAX (INT64_C(1) << 53)

/* A number taken apart: RFC 8259, section 6. */
struct number {
        bool is_negative, has_point, has_exponent, is_zero;
        size_t whole, fraction; /* digits */
        bool fits;              /* the digits, without the point, are in `mantissa` */
        uint64_t mantissa;
};

static bool is_digit(const struct bytes *t, size_t i) {
        return i < t->len && t->data[i] >= '0' && t->data[i] <= '9';
}

static size_t take_digits(const struct bytes *t, size_t i, struct number *n) {
        size_t from = i;

        for (; is_digit(t, i); i++) {
                unsigned d = t->data[i] - '0';

                n->is_zero = n->is_zero && d == 0;
                n->fits = n->fits && n->mantissa <= (UINT64_MAX - d) / 10;
                n->mantissa = n->mantissa * 10 + d;
        }
        return i - from;
}

static bool take_exponent(const struct bytes *t, size_t i) {
        if (i < t->len && (t->data[i] == '+' || t->data[i] == '-'))
                i++;
        if (!is_digit(t, i))
                return false;
        while (is_digit(t, i))
                i++;
        return i == t->len;
}

static bool number_of(struct bytes t, struct number *n) {
        size_t i = 0;

        *n = (struct number){ .is_zero = true, .fits = true };
        if (t.len == 0 || t.len > TABLE_NUMBER_MAX)
                return false;
        n->is_negative = t.data[0] == '-';
        i += n->is_negative;
        n->whole = take_digits(&t, i, n);
        if (n->whole == 0 || (n->whole > 1 && t.data[i] == '0'))
                return false;
        i += n->whole;
        if (i < t.len && t.data[i] == '.') {
                n->has_point = true;
                n->fraction = take_digits(&t, i + 1, n);
                if (n->fraction == 0)
                        return false;
                i += 1 + n->fraction;
        }
        if (i < t.len && (t.data[i] == 'e' || t.data[i] == 'E')) {
                n->has_exponent = true;
                return take_exponent(&t, i + 1);
        }
        return i == t.len;
}

static bool integer_of(const struct number *n, int64_t *ret) {
        if (n->has_point || n->has_exponent || !n->fits ||
            n->mantissa > (uint64_t) INT64_MAX + n->is_negative)
                return false;
        *ret = (int64_t) (n->is_negative ? -n->mantissa : n->mantissa);
        return true;
}

/* Both operands exact, so the quotient is the nearest double (W. Clinger, "How to Read
 * Floating Point Numbers Accurately"); else the C library, which rounds correctly too. */
static double double_of(struct bytes t, const struct number *n) {
        static const double powers[] = { 1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22 };
        char copy[TABLE_NUMBER_MAX + 1];
        double v;

        if (n->fits && !n->has_exponent && n->mantissa <= (uint64_t) EXACT_MAX &&
            n->fraction < sizeof(powers) / sizeof(powers[0])) {
                v = (double) n->mantissa / powers[n->fraction];
                return n->is_negative ? -v : v;
        }
        memcpy(copy, t.data, t.len);
        copy[t.len] = 0;
        return strtod(copy, NULL);
}

static bool real_of(struct bytes t, const struct number *n, double *ret) {
        *ret = double_of(t, n);
        return isfinite(*ret) && (*ret != 0 || n->is_zero);
}

bool form_integer(struct bytes text, int64_t *ret) {
        struct number n;

        return number_of(text, &n) && integer_of(&n, ret);
}

bool form_decimal(struct bytes text, unsigned precision, unsigned scale, double *ret) {
        struct number n;

        if (!number_of(text, &n) || n.has_exponent || n.fraction > scale ||
            n.whole + scale > precision)
                return false;
        return real_of(text, &n, ret);
}

bool form_real(struct bytes text, double *ret) {
        struct number n;

        return number_of(text, &n) && real_of(text, &n, ret);
}

/* ---- dates ---- */

/* n digits at i; false: not all digits. */
static bool field(struct bytes t, size_t i, size_t n, unsigned *ret) {
        *ret = 0;
        for (size_t k = i; k < i + n; k++) {
                if (!is_digit(&t, k))
                        return false;
                *ret = *ret * 10 + (t.data[k] - '0');
        }
        return true;
}

static bool is_at(struct bytes t, size_t i, char c) {
        return i < t.len && t.data[i] == (uint8_t) c;
}

static bool is_date_at_front(struct bytes t) {
        static const uint8_t lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        unsigned y, m, d;

        if (!field(t, 0, 4, &y) || !is_at(t, 4, '-') || !field(t, 5, 2, &m) || !is_at(t, 7, '-') ||
            !field(t, 8, 2, &d) || y == 0 || m == 0 || m > 12 || d == 0)
                return false;
        return d <= lengths[m - 1] ||
               (m == 2 && d == 29 && y % 4 == 0 && (y % 100 != 0 || y % 400 == 0));
}

bool form_date(struct bytes text) {
        return text.len == 10 && is_date_at_front(text);
}

static bool is_timestamp(struct bytes t) {
        unsigned h, m, s, fraction;

        if (t.len < 19 || t.len > FORM_TIMESTAMP_MAX || !is_date_at_front(t) ||
            !(is_at(t, 10, ' ') || is_at(t, 10, 'T')) || !field(t, 11, 2, &h) ||
            !is_at(t, 13, ':') || !field(t, 14, 2, &m) || !is_at(t, 16, ':') ||
            !field(t, 17, 2, &s) || h > 23 || m > 59 || s > 59)
                return false;
        return t.len == 19 ||
               (t.len > 20 && is_at(t, 19, '.') && field(t, 20, t.len - 20, &fraction));
}

bool form_timestamp(struct bytes text, char ret[FORM_TIMESTAMP_MAX], size_t *ret_len) {
        size_t n = text.len;

        if (!is_timestamp(text))
                return false;
        memcpy(ret, text.data, n);
        ret[10] = ' ';
        while (n > 19 && (ret[n - 1] == '0' || ret[n - 1] == '.'))
                n--;
        *ret_len = n;
        return true;
}

/* ---- which form ---- */

static struct form form_of_number(struct bytes text, const struct number *n) {
        const struct form as_text = { .kind = FORM_TEXT };
        struct form f = { .digits = (uint8_t) n->whole, .scale = (uint8_t) n->fraction };
        int64_t i;
        double v;

        if (!n->has_point && !n->has_exponent) {
                if (!integer_of(n, &i))
                        return as_text; /* an identifier: as REAL it would lose digits */
                f.is_large = i > EXACT_MAX || i < -EXACT_MAX;
                f.kind = FORM_INTEGER;
                return f;
        }
        if (!real_of(text, n, &v))
                return as_text;
        f.kind = n->has_exponent || n->whole + n->fraction > FORM_DECIMAL_MAX ? FORM_REAL
                                                                              : FORM_DECIMAL;
        return f;
}

struct form form_of(struct bytes text) {
        struct form f = { .kind = FORM_TEXT };
        struct number n;

        if (text.len == 0 || !(text.data[0] == '-' || is_digit(&text, 0)))
                return f;
        if (number_of(text, &n))
                return form_of_number(text, &n);
        if (form_date(text))
                f.kind = FORM_DATE;
        else if (is_timestamp(text))
                f.kind = FORM_TIMESTAMP;
        return f;
}
