#include "services/dht/key.h"

#include <string.h>

#include "common/base/error.h"
#include "common/crypto/sign.h"

struct key key_of(struct bytes name) {
        struct key k;

        sha256_of(name, k.bytes);
        return k;
}

struct key key_of_peer(const struct peer_id *peer) {
        return key_of(peer_id_bytes(peer));
}

unsigned key_common_prefix(const struct key *a, const struct key *b) {
        for (unsigned i = 0; i < KEY_SIZE; i++) {
                unsigned differ = a->bytes[i] ^ b->bytes[i];

                if (differ)
                        return 8 * i + (unsigned) __builtin_clz(differ) - 24;
        }
        return KEY_BITS;
}

int key_compare(const struct key *target, const struct key *a, const struct key *b) {
        for (unsigned i = 0; i < KEY_SIZE; i += 8) {
                uint64_t t = load_be64(target->bytes + i);
                uint64_t to_a = load_be64(a->bytes + i) ^ t, to_b = load_be64(b->bytes + i) ^ t;

                if (to_a != to_b)
                        return to_a < to_b ? -1 : 1;
        }
        return 0;
}

uint64_t key_prefix(const struct key *k) {
        return load_be64(k->bytes);
}

double key_distance(const struct key *a, const struct key *b) {
        return (double) (key_prefix(a) ^ key_prefix(b)) * 0x1.0p-64;
}

struct key key_in_bucket(const struct key *self, unsigned prefix, const uint8_t random[KEY_SIZE]) {
        struct key k;

        check(prefix < KEY_BITS);
        memcpy(k.bytes, random, KEY_SIZE);
        memcpy(k.bytes, self->bytes, prefix / 8);
        for (unsigned bit = prefix / 8 * 8; bit <= prefix; bit++) {
                uint8_t mask = (uint8_t) (0x80 >> bit % 8);
                uint8_t wanted = self->bytes[bit / 8] & mask;

                if (bit == prefix)
                        wanted ^= mask;
                k.bytes[bit / 8] = (uint8_t) ((k.bytes[bit / 8] & ~mask) | wanted);
        }
        return k;
}
