#include "common/base/error.h"
#include "common/wire/frame.h"
#include "services/transport/peers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Frames of one stream, folded into the record of a peer: everything stays in bounds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct sign_public key = { .bytes = { 1 } };
        struct peer_id from = peer_id_from_ed25519(&key);
        struct peers *peers = peers_new(2, 1);
        struct peer *peer = peers_get(peers, &from);
        struct bytes in = { data, size }, message;
        static struct identify id;
        struct frame_reader r;
        size_t cursor = 0;

        identify_init(&id);
        frame_reader_init(&r, IDENTIFY_MESSAGE_MAX);
        while (frame_reader_next(&r, &in, &message) == FRAME_OK) {
                if (identify_add(&id, message, &from))
                        break;
                peer_identified(peer, &id);
        }
        check(id.n_messages <= IDENTIFY_MESSAGES_MAX && id.n_addrs <= IDENTIFY_ADDRS_MAX);
        check(strlen(id.agent) <= IDENTIFY_AGENT_MAX && id.names_len <= sizeof(id.names));
        check(peer->n_addrs <= PEER_ADDRS_MAX);
        while (peer_next_protocol(peer, &cursor))
                continue;
        check(cursor == peer->n_protocols);
        frame_reader_done(&r);
        peers_free(peers);
        return 0;
}
