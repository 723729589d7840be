#include "services/transport/tls/der.h"

#define DER_LENGTH_BYTES_MAX 3 /* 16 MiB is more than any certificate */

static bool length(struct reader *r, size_t *ret) {
        uint8_t first = reader_u8(r);
        size_t n = first & 0x7f, v = 0;

        if (r->failed)
                return false;
        if (first < 0x80) {
                *ret = first;
                return true;
        }
        if (n == 0 || n > DER_LENGTH_BYTES_MAX)
                return false;
        for (size_t i = 0; i < n; i++)
                v = v << 8 | reader_u8(r);
        if (r->failed || v < 0x80 || (n > 1 && v >> (8 * (n - 1)) == 0))
                return false;
        *ret = v;
        return true;
}

bool der_next(struct reader *r, struct der_item *ret) {
        size_t start = r->pos, n;
        struct der_item item;

        if (reader_left(r) == 0)
                return false;
        item.tag = reader_u8(r);
        if ((item.tag & 0x1f) == 0x1f || !length(r, &n)) {
                r->failed = true;
                return false;
        }
        item.content = reader_take(r, n);
        if (r->failed)
                return false;
        item.whole = BYTES(r->data + start, r->pos - start);
        *ret = item;
        return true;
}

bool der_expect(struct reader *r, uint8_t tag, struct der_item *ret) {
        struct der_item item;

        if (!der_next(r, &item) || item.tag != tag) {
                r->failed = true;
                return false;
        }
        *ret = item;
        return true;
}

/* Days since 1970 in the proleptic Gregorian calendar, counting years from March so
 * that the leap day is the last one. */
static int64_t days_from_civil(int64_t year, int64_t month, int64_t day) {
        int64_t y = month <= 2 ? year - 1 : year, m = month <= 2 ? month + 9 : month - 3;

        return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

static bool digits(struct reader *r, size_t n, int64_t *ret) {
        struct bytes v = reader_take(r, n);

        *ret = 0;
        for (size_t i = 0; i < v.len; i++) {
                if (v.data[i] < '0' || v.data[i] > '9')
                        r->failed = true;
                *ret = *ret * 10 + (v.data[i] - '0');
        }
        return !r->failed;
}

/* UTCTime and GeneralizedTime in the forms of RFC 5280 4.1.2.5: seconds given, Z. */
static bool instant(struct reader *outer, int64_t *ret) {
        int64_t year, month, day, hour, minute, second;
        struct der_item item;
        struct reader r;

        if (!der_next(outer, &item))
                return false;
        r = reader_of(item.content);
        if (item.tag == DER_UTC_TIME) {
                digits(&r, 2, &year);
                year += year < 50 ? 2000 : 1900;
        } else if (item.tag == DER_GENERALIZED_TIME) {
                digits(&r, 4, &year);
        } else {
                return false;
        }
        digits(&r, 2, &month);
        digits(&r, 2, &day);
        digits(&r, 2, &hour);
        digits(&r, 2, &minute);
        digits(&r, 2, &second);
        if (reader_u8(&r) != 'Z' || !reader_done(&r))
                return false;
        if (month < 1 || month > 12 || day < 1 || day > 31 || hour > 23 || minute > 59 ||
            second > 60)
                return false;
        *ret = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + second;
        return true;
}

static bool validity(struct reader *tbs, struct der_certificate *c) {
        struct der_item item;
        struct reader r;

        if (!der_expect(tbs, DER_SEQUENCE, &item))
                return false;
        r = reader_of(item.content);
        return instant(&r, &c->not_before) && instant(&r, &c->not_after) && reader_done(&r);
}

static bool version_is_3(struct reader *tbs) {
        static const uint8_t v3[] = { DER_INTEGER, 1, 2 };
        struct der_item item;

        return der_expect(tbs, DER_CONTEXT_0, &item) && bytes_equal(item.content, BYTES_OF(v3));
}

static bool extensions(struct reader *tbs, struct der_certificate *c) {
        struct der_item outer, list;
        struct reader r;

        c->extensions = BYTES_NONE;
        if (reader_done(tbs))
                return true;
        if (!der_expect(tbs, DER_CONTEXT_3, &outer) || !reader_done(tbs))
                return false;
        r = reader_of(outer.content);
        if (!der_expect(&r, DER_SEQUENCE, &list) || !reader_done(&r))
                return false;
        c->extensions = list.content;
        return true;
}

static bool signed_part(struct bytes content, struct bytes *ret_algorithm,
                        struct der_certificate *c) {
        struct der_item serial, algorithm, issuer, subject, spki;
        struct reader r = reader_of(content);

        if (!version_is_3(&r) || !der_expect(&r, DER_INTEGER, &serial) ||
            !der_expect(&r, DER_SEQUENCE, &algorithm) || !der_expect(&r, DER_SEQUENCE, &issuer) ||
            !validity(&r, c) || !der_expect(&r, DER_SEQUENCE, &subject) ||
            !der_expect(&r, DER_SEQUENCE, &spki))
                return false;
        *ret_algorithm = algorithm.content;
        c->spki = spki.whole;
        return extensions(&r, c);
}

bool der_certificate(struct bytes der, struct der_certificate *ret) {
        struct der_item outer, tbs, algorithm, signature, oid;
        struct reader r = reader_of(der), inner, parameters;
        struct der_certificate c = {};
        struct bytes inner_algorithm;

        if (!der_expect(&r, DER_SEQUENCE, &outer) || !reader_done(&r))
                return false;
        inner = reader_of(outer.content);
        if (!der_expect(&inner, DER_SEQUENCE, &tbs) ||
            !der_expect(&inner, DER_SEQUENCE, &algorithm) ||
            !der_expect(&inner, DER_BIT_STRING, &signature) || !reader_done(&inner))
                return false;
        if (!signed_part(tbs.content, &inner_algorithm, &c) ||
            !bytes_equal(inner_algorithm, algorithm.content))
                return false;
        parameters = reader_of(algorithm.content);
        if (!der_expect(&parameters, DER_OID, &oid))
                return false;
        if (signature.content.len < 2 || signature.content.data[0] != 0)
                return false;
        c.tbs = tbs.whole;
        c.algorithm = oid.content;
        c.signature = BYTES(signature.content.data + 1, signature.content.len - 1);
        *ret = c;
        return true;
}

bool der_next_extension(struct reader *r, struct der_extension *ret) {
        struct der_item item, part;
        struct der_extension e = {};
        struct reader in;

        if (reader_left(r) == 0)
                return false;
        if (!der_expect(r, DER_SEQUENCE, &item))
                return false;
        in = reader_of(item.content);
        if (!der_expect(&in, DER_OID, &part))
                goto malformed;
        e.oid = part.content;
        if (!der_next(&in, &part))
                goto malformed;
        if (part.tag == DER_BOOLEAN) {
                if (part.content.len != 1 || part.content.data[0] != 0xff)
                        goto malformed; /* DER leaves out the default FALSE */
                e.critical = true;
                if (!der_next(&in, &part))
                        goto malformed;
        }
        if (part.tag != DER_OCTET_STRING || !reader_done(&in))
                goto malformed;
        e.value = part.content;
        *ret = e;
        return true;

malformed:
        r->failed = true;
        return false;
}

bool der_signed_key(struct bytes value, struct bytes *ret_key, struct bytes *ret_signature) {
        struct der_item outer, key, signature;
        struct reader r = reader_of(value), in;

        if (!der_expect(&r, DER_SEQUENCE, &outer) || !reader_done(&r))
                return false;
        in = reader_of(outer.content);
        if (!der_expect(&in, DER_OCTET_STRING, &key) ||
            !der_expect(&in, DER_OCTET_STRING, &signature) || !reader_done(&in))
                return false;
        *ret_key = key.content;
        *ret_signature = signature.content;
        return true;
}

void der_put(struct buffer *b, uint8_t tag, struct bytes content) {
        buffer_put_u8(b, tag);
        if (content.len >= 0x100) {
                buffer_put_u8(b, 0x82);
                buffer_put_u16(b, (uint16_t) content.len);
        } else {
                if (content.len >= 0x80)
                        buffer_put_u8(b, 0x81);
                buffer_put_u8(b, (uint8_t) content.len);
        }
        buffer_put_bytes(b, content);
}
