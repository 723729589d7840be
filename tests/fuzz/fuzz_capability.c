#include "common/base/error.h"
#include "services/gossip/capability.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool accept(void *userdata, const struct sign_public *key, struct bytes message,
                   struct bytes signature) {
        return true;
}

static bool is_within(const struct capability *c, struct bytes v) {
        return v.len == 0 ||
               (v.data >= c->raw->data && v.data + v.len <= c->raw->data + c->raw->len);
}

static bool is_clean(struct bytes v) {
        for (size_t i = 0; i < v.len; i++)
                if (v.data[i] < 0x20 || v.data[i] == 0x7f)
                        return false;
        return v.len <= CAPABILITY_TEXT_MAX;
}

/* Views stay inside, limits hold, and reading the same bytes again gives the same. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        CLEANUP(capability_donep) struct capability c = {};
        CLEANUP(capability_donep) struct capability again = {};
        struct sign_public key;

        if (capability_read(BYTES(data, size), &c) != CAPABILITY_OK)
                return 0;
        check(size <= CAPABILITY_SIZE_MAX && c.sequence > 0);
        check(c.n_addresses <= CAPABILITY_ADDRESSES_MAX && c.n_engines <= CAPABILITY_ENGINES_MAX &&
              c.n_groups <= CAPABILITY_GROUPS_MAX);
        check(is_clean(c.name) && is_clean(c.region) && is_clean(c.network));
        check(is_within(&c, c.name) && is_within(&c, c.operator_certificate));
        check(peer_id_ed25519(&c.peer, &key));
        check(capability_verify(&c, accept, NULL));
        check(capability_read(refbuf_bytes(c.raw), &again) == CAPABILITY_OK);
        check(peer_id_equal(&c.peer, &again.peer) && c.sequence == again.sequence);
        return 0;
}
