#include "services/worker/sqlite/text_casts.h"

#include "common/base/memory.h"

struct scan {
        struct bytes v;
        size_t pos;
};

static bool accept(struct scan *s, char c) {
        if (s->pos == s->v.len || s->v.data[s->pos] != (uint8_t) c)
                return false;
        s->pos++;
        return true;
}

static bool digit(struct scan *s, int *ret) {
        if (s->pos == s->v.len || s->v.data[s->pos] < '0' || s->v.data[s->pos] > '9')
                return false;
        *ret = s->v.data[s->pos++] - '0';
        return true;
}

/* Exactly n digits, at most `max`. */
static bool digits(struct scan *s, int n, int max, int *ret) {
        int v = 0, d;

        for (int i = 0; i < n; i++) {
                if (!digit(s, &d))
                        return false;
                v = v * 10 + d;
        }
        *ret = v;
        return v <= max;
}

static bool decimal(struct buffer *b, struct scan *s) {
        const __int128 max = (((__int128) 1 << 126) - 1) / 10;
        bool negative = accept(s, '-'), any = false;
        __int128 mantissa = 0;
        unsigned scale = 0;
        int d;

        if (!negative)
                (void) accept(s, '+');
        for (bool point = false;;) {
                if (!point && accept(s, '.')) {
                        point = true;
                        continue;
                }
                if (!digit(s, &d))
                        break;
                if (mantissa > max || scale == CELL_SCALE_MAX)
                        return false;
                mantissa = mantissa * 10 + d;
                scale += point;
                any = true;
        }
        if (!any || s->pos != s->v.len)
                return false;
        return cell_put_decimal(b, negative ? -mantissa : mantissa, scale) == CELL_OK;
}

/* Days since 1970-01-01 of the proleptic Gregorian calendar (H. Hinnant,
 * "chrono-compatible low-level date algorithms"). */
static int32_t days_from_civil(int y, int m, int d) {
        int era, yoe, doy, doe;

        y -= m <= 2;
        era = (y >= 0 ? y : y - 399) / 400;
        yoe = y - era * 400;
        doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
        doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        return era * 146097 + doe - 719468;
}

static bool date(struct scan *s, int32_t *ret) {
        static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
        int y, m, d;
        bool leap;

        if (!digits(s, 4, 9999, &y) || !accept(s, '-') || !digits(s, 2, 12, &m) ||
            !accept(s, '-') || !digits(s, 2, 31, &d) || m == 0 || d == 0)
                return false;
        leap = (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
        if (d > lengths[m - 1] + (m == 2 && leap))
                return false;
        *ret = days_from_civil(y, m, d);
        return true;
}

static bool time_of_day(struct scan *s, int64_t *ret) {
        int h, m, sec = 0, d;
        int64_t fraction = 0, unit = 100000;

        if (!digits(s, 2, 23, &h) || !accept(s, ':') || !digits(s, 2, 59, &m))
                return false;
        if (accept(s, ':') && !digits(s, 2, 59, &sec))
                return false;
        if (accept(s, '.')) {
                for (; digit(s, &d); unit /= 10) {
                        if (unit == 0 && d != 0)
                                return false;
                        fraction += d * unit;
                }
        }
        *ret = ((int64_t) h * 3600 + m * 60 + sec) * 1000000 + fraction;
        return true;
}

static bool timestamp(struct scan *s, int64_t *ret) {
        int64_t usec = 0;
        int32_t days;

        if (!date(s, &days))
                return false;
        if ((accept(s, ' ') || accept(s, 'T')) && !time_of_day(s, &usec))
                return false;
        *ret = (int64_t) days * 86400 * 1000000 + usec;
        return true;
}

bool text_cast(struct buffer *b, struct bytes text, enum cell_type type) {
        struct scan s = { .v = text };
        int64_t usec;
        int32_t days;

        switch (type) {
        case CELL_DECIMAL:
                return decimal(b, &s);
        case CELL_DATE:
                if (!date(&s, &days) || s.pos != text.len)
                        return false;
                cell_put_date(b, days);
                return true;
        case CELL_TIME:
                if (!time_of_day(&s, &usec) || s.pos != text.len)
                        return false;
                cell_put_usec(b, type, usec);
                return true;
        case CELL_TIMESTAMP:
                if (!timestamp(&s, &usec) || s.pos != text.len)
                        return false;
                cell_put_usec(b, type, usec);
                return true;
        default:
                return false;
        }
}
