#include "common/canonical/keychange.h"

#include "services/keyring/permit.h"

/* What this node says about its own key. Of a rotation the successor has signed first:
 * nobody can be led to a key that nobody holds. */

int keyring_sign_rotation(struct keyring *k, const struct keyring_ask *ask,
                          const struct keyring_successor *successor, struct buffer *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};
        struct keychange c = { .kind = KEYCHANGE_ROTATION,
                               .peer = k->self,
                               .successor = peer_id_from_ed25519(&successor->key),
                               .created_us = successor->created_us };
        struct signature signature;
        int r;

        buffer_init(&bytes, KEYCHANGE_BYTES_MAX);
        if (keychange_encode(&c, &bytes) != KEYCHANGE_OK)
                return keyring_refuse(k, KEYRING_E_FIELD);
        r = keyring_sign(k, ask, KEYRING_ROTATION, buffer_bytes(&bytes), &signature);
        if (r)
                return r;
        if (!sign_verify(&successor->key, buffer_bytes(&bytes), successor->signature))
                return keyring_refuse(k, KEYRING_E_FOREIGN);
        buffer_put_bytes(ret, buffer_bytes(&bytes));
        buffer_put_bytes(ret, signature_bytes(&signature));
        buffer_put_bytes(ret, successor->signature);
        return KEYRING_OK;
}

int keyring_sign_revocation(struct keyring *k, const struct keyring_ask *ask, int64_t created_us,
                            struct buffer *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};
        struct keychange c = { .kind = KEYCHANGE_REVOCATION,
                               .peer = k->self,
                               .created_us = created_us };
        struct signature signature;
        int r;

        buffer_init(&bytes, KEYCHANGE_BYTES_MAX);
        if (keychange_encode(&c, &bytes) != KEYCHANGE_OK)
                return keyring_refuse(k, KEYRING_E_FIELD);
        r = keyring_sign(k, ask, KEYRING_REVOCATION, buffer_bytes(&bytes), &signature);
        if (r)
                return r;
        buffer_put_bytes(ret, buffer_bytes(&bytes));
        buffer_put_bytes(ret, signature_bytes(&signature));
        return KEYRING_OK;
}

int keyring_succeed(struct keyring *k, const struct keyring_ask *ask, const struct peer_id *old,
                    int64_t created_us, struct signature *ret) {
        CLEANUP(buffer_donep) struct buffer bytes = {};
        struct keychange c = { .kind = KEYCHANGE_ROTATION,
                               .peer = *old,
                               .successor = k->self,
                               .created_us = created_us };

        buffer_init(&bytes, KEYCHANGE_BYTES_MAX);
        if (keychange_encode(&c, &bytes) != KEYCHANGE_OK)
                return keyring_refuse(k, KEYRING_E_FIELD);
        return keyring_sign(k, ask, KEYRING_ROTATION, buffer_bytes(&bytes), ret);
}
