#include "common/base/error.h"
#include "services/dht/mdns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is read stays within its bounds, and an answer made of it reads the same. */
static void check_message(const struct mdns_message *in, const struct mdns_service *service) {
        struct mdns_message again;
        struct buffer b;
        size_t n;

        check(in->n_addresses <= MDNS_ADDRESSES_MAX);
        check(memchr(in->peer_name, '\0', sizeof(in->peer_name)));
        if (!in->names_peer || in->n_addresses == 0)
                return;
        buffer_init(&b, MDNS_OWN_MAX);
        n = mdns_put_answer(&b, service, in->peer_name, in->addresses, in->n_addresses);
        check(!b.failed && (n == 0 || mdns_read(buffer_bytes(&b), service, &again)));
        check(n == 0 || again.n_addresses == n);
        buffer_done(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const struct sign_public key = { { 1 } };
        const struct peer_id self = peer_id_from_ed25519(&key);
        const struct mdns_service service = { "_p2p" };
        struct mdns_message message;
        struct mdns_config config;
        struct contact found;
        struct mdns *m;

        if (mdns_read(BYTES(data, size), &service, &message))
                check_message(&message, &service);
        mdns_config_default(&config);
        m = mdns_new(&config, &self, 1);
        mdns_input(m, BYTES(data, size), NSEC_PER_SEC);
        while (mdns_found(m, &found))
                contact_done(&found);
        mdns_free(m);
        return 0;
}
