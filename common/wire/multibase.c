#include "common/wire/multibase.h"

#include <stdint.h>

#include "common/base/error.h"

static const char base58_digits[] = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";
static const char base32_digits[] = "abcdefghijklmnopqrstuvwxyz234567";

static int digit_of(const char *digits, uint8_t c) {
        const char *p = c ? strchr(digits, c) : NULL;

        return p ? (int) (p - digits) : -1;
}

/* Multiplies the little-endian number by `base` and adds `carry`; returns its new length. */
static size_t shift_in(uint8_t *number, size_t len, unsigned from, unsigned to, unsigned carry) {
        for (size_t i = 0; i < len; i++) {
                carry += number[i] * from;
                number[i] = (uint8_t) (carry % to);
                carry /= to;
        }
        while (carry > 0) {
                number[len++] = (uint8_t) (carry % to);
                carry /= to;
        }
        return len;
}

static size_t count_leading(struct bytes v, uint8_t what) {
        size_t n = 0;

        while (n < v.len && v.data[n] == what)
                n++;
        return n;
}

char *base58_encode(struct bytes v, char *ret) {
        uint8_t number[BASE58_TEXT_SIZE(MULTIBASE_IN_MAX)];
        size_t zeros = count_leading(v, 0), len = 0, at = 0;

        check(v.len <= MULTIBASE_IN_MAX);
        for (size_t i = zeros; i < v.len; i++)
                len = shift_in(number, len, 256, 58, v.data[i]);
        while (at < zeros)
                ret[at++] = '1';
        while (len > 0)
                ret[at++] = base58_digits[number[--len]];
        ret[at] = 0;
        return ret;
}

bool base58_decode(struct bytes text, uint8_t *ret, size_t max, size_t *ret_len) {
        uint8_t number[MULTIBASE_IN_MAX + 64];
        size_t zeros = count_leading(text, '1'), len = 0;

        if (text.len >= BASE58_TEXT_SIZE(MULTIBASE_IN_MAX))
                return false;
        for (size_t i = zeros; i < text.len; i++) {
                int digit = digit_of(base58_digits, text.data[i]);

                if (digit < 0)
                        return false;
                len = shift_in(number, len, 58, 256, (unsigned) digit);
        }
        if (zeros + len > max)
                return false;
        memset(ret, 0, zeros);
        for (size_t i = 0; i < len; i++)
                ret[zeros + i] = number[len - 1 - i];
        *ret_len = zeros + len;
        return true;
}

char *base32_encode(struct bytes v, char *ret) {
        unsigned bits = 0, held = 0;
        size_t at = 0;

        check(v.len <= MULTIBASE_IN_MAX);
        for (size_t i = 0; i < v.len; i++) {
                held = (held << 8 | v.data[i]) & 0xfff;
                for (bits += 8; bits >= 5; bits -= 5)
                        ret[at++] = base32_digits[held >> (bits - 5) & 31];
        }
        if (bits > 0)
                ret[at++] = base32_digits[held << (5 - bits) & 31];
        ret[at] = 0;
        return ret;
}

bool base32_decode(struct bytes text, uint8_t *ret, size_t max, size_t *ret_len) {
        unsigned bits = 0, held = 0;
        size_t len = 0;

        if (text.len >= BASE32_TEXT_SIZE(MULTIBASE_IN_MAX) || text.len * 5 / 8 > max)
                return false;
        for (size_t i = 0; i < text.len; i++) {
                int digit = digit_of(base32_digits, text.data[i]);

                if (digit < 0)
                        return false;
                held = (held << 5 | (unsigned) digit) & 0xfff;
                bits += 5;
                if (bits < 8)
                        continue;
                bits -= 8;
                ret[len++] = (uint8_t) (held >> bits);
        }
        if (bits >= 5 || (held & ((1u << bits) - 1)) != 0)
                return false;
        *ret_len = len;
        return true;
}
