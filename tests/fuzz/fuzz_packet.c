/* One packet of a seqpacket link, as keyring gets it from any client. */

#include "common/base/error.h"
#include "common/daemon/packet.h"
#include "proto/bus.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct link_header_space space;
        struct link_peer peer = {};
        struct frame f = {};
        uint8_t again[2 + LINK_HEADER_MAX];
        uint64_t connection;
        bool is_data;

        if (!packet_parse(BYTES(data, size), &space, &f))
                return 0;
        check(f.body.len <= size);
        check(packet_begin(f.header, again) <= sizeof(again));
        if (link_hello_unpack(f.body, &peer, &connection, &is_data))
                check(peer.instance != 0 && peer.service[sizeof(peer.service) - 1] == 0);
        return 0;
}
