#include "services/dht/mailbox.h"

#include "common/crypto/hash.h"
#include "common/wire/varint.h"

#define VERSION  1
#define HASHING  "quorate.mail.1"
#define HOUR_US  (INT64_C(3600) * 1000000)
#define HOUR_MAX (UINT32_MAX - MAILBOX_HOURS)

bool letter_read(struct bytes value, struct letter *ret) {
        struct reader r = reader_of(value);
        uint8_t version = reader_u8(&r);
        bool is_peer = peer_id_parse(reader_prefixed(&r), &ret->recipient);

        ret->hour = reader_u32(&r);
        ret->nonce = reader_u64(&r);
        ret->sealed = reader_take(&r, reader_left(&r));
        return !r.failed && version == VERSION && is_peer && ret->hour <= HOUR_MAX &&
               ret->sealed.len > 0 && value.len <= MAILBOX_LETTER_MAX;
}

void letter_put(struct buffer *b, const struct letter *l) {
        size_t begin = b->len;

        buffer_put_u8(b, VERSION);
        buffer_put_prefixed(b, peer_id_bytes(&l->recipient));
        buffer_put_u32(b, l->hour);
        buffer_put_u64(b, l->nonce);
        buffer_put_bytes(b, l->sealed);
        if (b->len - begin > MAILBOX_LETTER_MAX)
                b->failed = true;
}

bool letter_fits(const struct letter *l) {
        CLEANUP(buffer_donep) struct buffer b = {};

        buffer_init(&b, MAILBOX_LETTER_MAX);
        letter_put(&b, l);
        return l->sealed.len > 0 && !b.failed;
}

/* All but the nonce, which stands at the end of the prefix so that a step hashes little. */
static size_t work_input(const struct letter *l, uint8_t ret[PEER_ID_MAX + 4 + 8 + HASH_SIZE],
                         size_t *ret_nonce_at) {
        struct hash_value box = hash_of(HASHING, l->sealed);
        size_t n = l->recipient.len;

        memcpy(ret, l->recipient.bytes, n);
        store_be32(ret + n, l->hour);
        *ret_nonce_at = n + 4;
        store_be64(ret + n + 4, l->nonce);
        memcpy(ret + n + 12, box.bytes, HASH_SIZE);
        return n + 12 + HASH_SIZE;
}

static unsigned zero_bits(const struct hash_value *h) {
        for (size_t i = 0; i < HASH_SIZE; i += 8) {
                uint64_t word = load_be64(h->bytes + i);

                if (word)
                        return (unsigned) (8 * i) + (unsigned) __builtin_clzll(word);
        }
        return 8 * HASH_SIZE;
}

unsigned letter_work(const struct letter *l) {
        uint8_t input[PEER_ID_MAX + 4 + 8 + HASH_SIZE];
        size_t nonce_at, n = work_input(l, input, &nonce_at);
        struct hash_value h = hash_of(HASHING, BYTES(input, n));

        return zero_bits(&h);
}

bool letter_mine(struct letter *l, unsigned bits, uint64_t tries) {
        uint8_t input[PEER_ID_MAX + 4 + 8 + HASH_SIZE];
        size_t nonce_at, n = work_input(l, input, &nonce_at);

        for (; tries > 0; tries--, l->nonce++) {
                struct hash_value h;

                store_be64(input + nonce_at, l->nonce);
                h = hash_of(HASHING, BYTES(input, n));
                if (zero_bits(&h) >= bits)
                        return true;
        }
        return false;
}

void letter_slot(struct bytes value, uint8_t ret[32]) {
        struct hash_value h = hash_of(HASHING, value);

        memcpy(ret, h.bytes, HASH_SIZE);
}

int64_t letter_expires_us(const struct letter *l) {
        return ((int64_t) l->hour + MAILBOX_HOURS) * HOUR_US;
}

const char *letter_check(const struct letter *l, unsigned bits, int64_t now_us) {
        if ((int64_t) l->hour * HOUR_US > now_us + MAILBOX_HOURS_AHEAD * HOUR_US)
                return "a letter from the future";
        if (letter_expires_us(l) <= now_us)
                return "a letter that is too old";
        return letter_work(l) >= bits ? NULL : "a letter without its proof of work";
}
