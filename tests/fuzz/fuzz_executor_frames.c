#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/error.h"
#include "common/client/executor.h"
#include "services/worker/spool.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Packets of an executor: u16 length and bytes, several. */
static void check_reports(struct bytes in) {
        struct reader r = reader_of(in);
        struct packets p;
        int pair[2], result = EXECUTOR_OK;

        check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0);
        packets_init(&p);
        while (reader_left(&r) > 2 && result != EXECUTOR_E_MALFORMED) {
                struct bytes packet = reader_take(&r, reader_u16(&r));
                CLEANUP(unpacked_donep) struct unpacked u = {};
                const Worker__Report *report = NULL;

                if (r.failed || packet.len == 0 || send(pair[0], packet.data, packet.len, 0) < 0)
                        break;
                result = executor_receive(&p, pair[1], &u, &report);
                check(result >= 0 && (result == EXECUTOR_OK) == (report != NULL));
        }
        packets_done(&p);
        (void) close(pair[0]);
        (void) close(pair[1]);
}

/* A spool an executor has filled with anything. */
static void check_spool(struct bytes in, uint64_t batches) {
        struct spool_store store;
        struct spool s = { .store = &store,
                           .file = { memfd_create("spool", MFD_CLOEXEC), -1 },
                           .has_writer = true };
        CLEANUP(buffer_donep) struct buffer b = {};
        struct hash_value digest;

        check(s.file.fd >= 0 && write(s.file.fd, in.data, in.len) == (ssize_t) in.len);
        spool_store_init(&store, -1, in.len);
        check(budget_take(&store.budget, in.len) == 0);
        s.limit = in.len;
        buffer_init(&b, 1 << 25);
        if (spool_index(&s, batches) == SPOOL_OK) {
                check(s.n == batches && s.end <= in.len);
                for (uint64_t i = 0; i < s.n; i++) {
                        check(spool_read(&s, i, &b) == SPOOL_OK);
                        check(spool_digest(&s, i, &digest) == SPOOL_OK);
                }
        }
        check(spool_read(&s, s.n, &b) == SPOOL_E_NONE);
        spool_done(&s);
        check(store.budget.used == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        if (size < 2)
                return 0;
        if (data[0] & 1)
                check_spool(BYTES(data + 2, size - 2), data[1]);
        else
                check_reports(BYTES(data + 2, size - 2));
        return 0;
}
