#include "services/keyring/certificate.h"

#define DER_INTEGER   0x02
#define DER_SEQUENCE  0x30
#define DER_VERSION   0xa0 /* [0], explicit */
#define DER_LONG_FORM 0x80

/* Length octets (X.690, 8.1.3): definite, minimal, at most two bytes long. */
static size_t der_length(struct reader *r) {
        size_t n = reader_u8(r);

        if (n < DER_LONG_FORM)
                return n;
        if (n == (DER_LONG_FORM | 1)) {
                n = reader_u8(r);
                r->failed |= n < DER_LONG_FORM;
        } else if (n == (DER_LONG_FORM | 2)) {
                n = reader_u16(r);
                r->failed |= n < 0x100;
        } else {
                r->failed = true;
        }
        return n;
}

/* The content of the next item, which has to have this tag. */
static struct bytes der_take(struct reader *r, uint8_t tag, struct bytes *ret_whole) {
        size_t start = r->pos;
        struct bytes content;

        r->failed |= reader_u8(r) != tag;
        content = reader_take(r, der_length(r));
        if (ret_whole && !r->failed)
                *ret_whole = BYTES(r->data + start, r->pos - start);
        return content;
}

bool certificate_tbs_key(struct bytes tbs, struct bytes *ret_spki) {
        static const uint8_t version_3[] = { DER_INTEGER, 1, 2 };
        /* serialNumber, signature, issuer, validity, subject */
        static const uint8_t before_key[] = { DER_INTEGER, DER_SEQUENCE, DER_SEQUENCE, DER_SEQUENCE,
                                              DER_SEQUENCE };
        struct reader outer = reader_of(tbs), r;
        struct bytes spki = BYTES_NONE;

        if (tbs.len > CERTIFICATE_TBS_MAX)
                return false;
        r = reader_of(der_take(&outer, DER_SEQUENCE, NULL));
        if (!reader_done(&outer) ||
            !bytes_equal(der_take(&r, DER_VERSION, NULL), BYTES_OF(version_3)))
                return false;
        for (size_t i = 0; i < sizeof(before_key); i++)
                der_take(&r, before_key[i], NULL);
        der_take(&r, DER_SEQUENCE, &spki);
        if (r.failed)
                return false;
        *ret_spki = spki;
        return true;
}
