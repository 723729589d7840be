#include "common/base/error.h"
#include "common/wire/envelope.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static struct peer_record record;
        CLEANUP(envelope_donep) struct envelope e = {};

        if (peer_record_open(BYTES(data, size), &record) == ENVELOPE_OK)
                check(record.peer.len > 0 && record.n_addrs <= PEER_RECORD_ADDRS_MAX);
        if (envelope_open(BYTES(data, size), RESERVATION_DOMAIN, RESERVATION_TYPE, &e) ==
            ENVELOPE_OK)
                check(e.signer.len > 0);
        return 0;
}
