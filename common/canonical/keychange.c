#include "common/canonical/keychange.h"

#include "common/base/memory.h"
#include "common/base/text.h"
#include "common/wire/varint.h"

static struct bytes prefix_of(enum keychange_kind kind) {
        return kind == KEYCHANGE_ROTATION ? ROTATION_PREFIX : REVOCATION_PREFIX;
}

static bool is_good(const struct keychange *c) {
        struct sign_public key;
        bool has_successor = c->kind == KEYCHANGE_ROTATION;

        if (has_successor ? !peer_id_ed25519(&c->successor, &key) ||
                                    peer_id_equal(&c->peer, &c->successor)
                          : !peer_id_is_none(&c->successor))
                return false;
        return peer_id_ed25519(&c->peer, &key) && c->created_us >= 0;
}

int keychange_encode(const struct keychange *c, struct buffer *b) {
        if ((c->kind != KEYCHANGE_ROTATION && c->kind != KEYCHANGE_REVOCATION) || !is_good(c))
                return KEYCHANGE_E_FIELD;
        buffer_put_bytes(b, prefix_of(c->kind));
        buffer_put_prefixed(b, peer_id_bytes(&c->peer));
        if (c->kind == KEYCHANGE_ROTATION)
                buffer_put_prefixed(b, peer_id_bytes(&c->successor));
        buffer_put_u64(b, (uint64_t) c->created_us);
        return KEYCHANGE_OK;
}

static enum keychange_kind kind_of(struct bytes value) {
        for (enum keychange_kind k = KEYCHANGE_ROTATION; k <= KEYCHANGE_REVOCATION; k++) {
                struct bytes prefix = prefix_of(k);

                if (value.len > prefix.len && bytes_equal(BYTES(value.data, prefix.len), prefix))
                        return k;
        }
        return 0;
}

int keychange_split(struct bytes value, struct keychange_parts *ret) {
        struct reader r = reader_of(value);
        struct keychange *c = &ret->fields;
        bool are_peers;

        *ret = (struct keychange_parts){ .fields.kind = kind_of(value) };
        if (value.len > KEYCHANGE_BYTES_MAX || c->kind == 0)
                return KEYCHANGE_E_FORMAT;
        (void) reader_take(&r, prefix_of(c->kind).len);
        are_peers = peer_id_parse(reader_prefixed(&r), &c->peer);
        if (c->kind == KEYCHANGE_ROTATION)
                are_peers &= peer_id_parse(reader_prefixed(&r), &c->successor);
        c->created_us = (int64_t) reader_u64(&r);
        ret->statement = BYTES(value.data, value.len - reader_left(&r));
        ret->signature = reader_take(&r, SIGNATURE_SIZE);
        if (c->kind == KEYCHANGE_ROTATION)
                ret->successor_signature = reader_take(&r, SIGNATURE_SIZE);
        if (!reader_done(&r))
                return KEYCHANGE_E_FORMAT;
        return are_peers && is_good(c) ? KEYCHANGE_OK : KEYCHANGE_E_FIELD;
}

static bool verify_plain(void *userdata, const struct sign_public *key, struct bytes message,
                         struct bytes signature) {
        return sign_verify(key, message, signature);
}

bool keychange_verify(const struct keychange_parts *p, keychange_verify_fn fn, void *userdata) {
        struct sign_public key;

        if (!fn)
                fn = verify_plain;
        if (!peer_id_ed25519(&p->fields.peer, &key) ||
            !fn(userdata, &key, p->statement, p->signature))
                return false;
        return p->fields.kind == KEYCHANGE_REVOCATION ||
               (peer_id_ed25519(&p->fields.successor, &key) &&
                fn(userdata, &key, p->statement, p->successor_signature));
}

int keychange_select(struct bytes a, struct bytes b) {
        struct keychange_parts x, y;

        if (keychange_split(a, &x) != KEYCHANGE_OK || keychange_split(b, &y) != KEYCHANGE_OK)
                return 0;
        if (x.fields.created_us != y.fields.created_us)
                return x.fields.created_us < y.fields.created_us ? -1 : 1;
        return bytes_compare(a, b);
}

char *keychange_text(struct bytes revocation, char ret[KEYCHANGE_TEXT_SIZE]) {
        const size_t n = sizeof(KEYCHANGE_TEXT_PREFIX) - 1;

        memcpy(ret, KEYCHANGE_TEXT_PREFIX, n);
        ret[n] = 0;
        if (revocation.len <= KEYCHANGE_BYTES_MAX)
                hex_encode(revocation, ret + n);
        return ret;
}

static bool is_blank(uint8_t c) {
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool keychange_from_text(struct bytes text, struct buffer *ret) {
        static const struct bytes prefix = BYTES_LIT(KEYCHANGE_TEXT_PREFIX);
        char digits[2 * KEYCHANGE_BYTES_MAX + 1] = "";
        uint8_t value[KEYCHANGE_BYTES_MAX];
        struct keychange_parts parts;
        size_t n;

        for (; text.len > 0 && is_blank(text.data[0]); text.data++, text.len--)
                ;
        while (text.len > 0 && is_blank(text.data[text.len - 1]))
                text.len--;
        if (text.len <= prefix.len || !bytes_equal(BYTES(text.data, prefix.len), prefix))
                return false;
        n = text.len - prefix.len;
        if (n % 2 || n >= sizeof(digits))
                return false;
        memcpy(digits, text.data + prefix.len, n);
        if (!hex_decode(digits, value, n / 2) ||
            keychange_split(BYTES(value, n / 2), &parts) != KEYCHANGE_OK ||
            parts.fields.kind != KEYCHANGE_REVOCATION)
                return false;
        return buffer_put_bytes(ret, BYTES(value, n / 2)), !ret->failed;
}
