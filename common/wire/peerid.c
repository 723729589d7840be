#include "common/wire/peerid.h"

#include "common/base/error.h"
#include "common/wire/multibase.h"
#include "common/wire/varint.h"

#define TAG_TYPE       0x08 /* field 1, varint */
#define TAG_DATA       0x12 /* field 2, bytes */
#define MULTIHASH_ID   0x00
#define MULTIHASH_SHA2 0x12
#define IDENTITY_MAX   42 /* bytes of a key that stand in the id themselves */
#define CID_V1         0x01
#define CID_LIBP2P_KEY 0x72

static const uint8_t ed25519_prefix[] = { TAG_TYPE, PUBLIC_KEY_ED25519, TAG_DATA,
                                          SIGN_PUBLIC_SIZE };

/* Exact size of the data of a type; 0: any. */
static const size_t key_sizes[] = {
        [PUBLIC_KEY_RSA] = 0,
        [PUBLIC_KEY_ED25519] = SIGN_PUBLIC_SIZE,
        [PUBLIC_KEY_SECP256K1] = 33,
        [PUBLIC_KEY_ECDSA] = 0,
};

bool public_key_parse(struct bytes serialised, struct public_key *ret) {
        struct reader r = reader_of(serialised);
        struct bytes data;
        uint8_t type;

        if (serialised.len > PUBLIC_KEY_MAX || reader_u8(&r) != TAG_TYPE)
                return false;
        type = reader_u8(&r);
        if (type >= sizeof(key_sizes) / sizeof(key_sizes[0]) || reader_u8(&r) != TAG_DATA)
                return false;
        data = reader_prefixed(&r);
        if (!reader_done(&r) || data.len == 0 ||
            (key_sizes[type] != 0 && data.len != key_sizes[type]))
                return false;

        *ret = (struct public_key){ .type = type, .data = data };
        return true;
}

void public_key_put_ed25519(struct buffer *b, const struct sign_public *key) {
        buffer_put(b, ed25519_prefix, sizeof(ed25519_prefix));
        buffer_put_bytes(b, sign_public_bytes(key));
}

static void set_multihash(struct peer_id *id, uint8_t code, const void *digest, size_t len) {
        check(len <= PEER_ID_MAX - 2);
        *id = (struct peer_id){ .len = (uint8_t) (len + 2) };
        id->bytes[0] = code;
        id->bytes[1] = (uint8_t) len;
        memcpy(id->bytes + 2, digest, len);
}

bool peer_id_from_public_key(struct bytes serialised, struct peer_id *ret) {
        uint8_t digest[SHA256_SIZE];
        struct public_key key;

        if (!public_key_parse(serialised, &key))
                return false;
        if (serialised.len <= IDENTITY_MAX) {
                if (key_sizes[key.type] == 0)
                        return false; /* no such key is that short */
                set_multihash(ret, MULTIHASH_ID, serialised.data, serialised.len);
                return true;
        }
        sha256_of(serialised, digest);
        set_multihash(ret, MULTIHASH_SHA2, digest, sizeof(digest));
        return true;
}

bool peer_id_parse(struct bytes multihash, struct peer_id *ret) {
        struct bytes rest;

        if (multihash.len < 2 || multihash.len > PEER_ID_MAX ||
            multihash.data[1] != multihash.len - 2)
                return false;
        rest = BYTES(multihash.data + 2, multihash.len - 2);
        if (multihash.data[0] == MULTIHASH_ID)
                return peer_id_from_public_key(rest, ret);
        if (multihash.data[0] != MULTIHASH_SHA2 || rest.len != SHA256_SIZE)
                return false;
        set_multihash(ret, MULTIHASH_SHA2, rest.data, rest.len);
        return true;
}

struct peer_id peer_id_from_ed25519(const struct sign_public *key) {
        uint8_t serialised[PUBLIC_KEY_ED25519_SIZE];
        struct peer_id id;

        memcpy(serialised, ed25519_prefix, sizeof(ed25519_prefix));
        memcpy(serialised + sizeof(ed25519_prefix), key->bytes, SIGN_PUBLIC_SIZE);
        set_multihash(&id, MULTIHASH_ID, serialised, sizeof(serialised));
        return id;
}

bool peer_id_ed25519(const struct peer_id *id, struct sign_public *ret) {
        if (id->len != 2 + PUBLIC_KEY_ED25519_SIZE || id->bytes[0] != MULTIHASH_ID ||
            memcmp(id->bytes + 2, ed25519_prefix, sizeof(ed25519_prefix)) != 0)
                return false;
        memcpy(ret->bytes, id->bytes + 2 + sizeof(ed25519_prefix), SIGN_PUBLIC_SIZE);
        return true;
}

static bool from_cid(struct bytes text, struct peer_id *ret) {
        uint8_t cid[2 + PEER_ID_MAX];
        size_t len;

        return base32_decode(text, cid, sizeof(cid), &len) && len > 2 && cid[0] == CID_V1 &&
               cid[1] == CID_LIBP2P_KEY && peer_id_parse(BYTES(cid + 2, len - 2), ret);
}

bool peer_id_from_text(struct bytes text, struct peer_id *ret) {
        uint8_t multihash[PEER_ID_MAX];
        size_t len;

        if (text.len == 0)
                return false;
        /* Base58 of a peer id begins with "1" or "Qm", so the two cannot be confused. */
        if (text.data[0] == 'b')
                return from_cid(BYTES(text.data + 1, text.len - 1), ret);
        return base58_decode(text, multihash, sizeof(multihash), &len) &&
               peer_id_parse(BYTES(multihash, len), ret);
}

char *peer_id_text(const struct peer_id *id, char ret[PEER_ID_TEXT_SIZE]) {
        _Static_assert(BASE58_TEXT_SIZE(PEER_ID_MAX) <= PEER_ID_TEXT_SIZE, "");

        return base58_encode(peer_id_bytes(id), ret);
}
