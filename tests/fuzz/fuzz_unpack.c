#include "common/base/error.h"
#include "common/wire/unpack.h"
#include "proto/grid.pb-c.h"
#include "proto/libp2p/identify.pb-c.h"
#include "proto/libp2p/keys.pb-c.h"
#include "proto/libp2p/peer_record.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const ProtobufCMessageDescriptor *const types[] = {
        &identify__identify__descriptor, &peer_record__peer_record__descriptor,
        &keys__public_key__descriptor,   &grid__job_message__descriptor,
        &grid__data_message__descriptor,
};

/* The first byte chooses the type. What the walk lets pass must fit the memory it
 * computed, and protobuf-c may refuse it only for a missing required field. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        const ProtobufCMessageDescriptor *type;
        struct unpacked u = {};
        size_t memory;
        int r;

        if (size == 0)
                return 0;
        type = types[data[0] % (sizeof(types) / sizeof(types[0]))];
        if (wire_scan(type, BYTES(data + 1, size - 1), NULL, &memory) != UNPACK_OK)
                return 0;
        r = wire_unpack(type, BYTES(data + 1, size - 1), NULL, &u);
        check(r == UNPACK_OK || (r == UNPACK_E_INVALID && type == &keys__public_key__descriptor));
        if (r == UNPACK_OK)
                check(protobuf_c_message_check(u.message));
        unpacked_done(&u);
        return 0;
}
