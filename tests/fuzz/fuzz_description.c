/* Bytes of three hosts that are asked what a query is, and of those that may run it then. The
 * input is a script as that of fuzz_job_messages. Nobody can sign here: nothing is VERIFIED. */

#include "tests/fuzz/requester_drive.h"

static bool nobody_signs(const struct sign_public *key, struct bytes message,
                         struct bytes signature) {
        return false;
}

static void step(struct drive *d, unsigned what, struct bytes argument) {
        unsigned host = (what >> 4) % DRIVE_HOSTS;

        switch (what % 4) {
        case 0:
        case 1:
                drive_data(d, host, argument);
                break;
        case 2:
                drive_closed(d, host);
                break;
        case 3:
                drive_wait(d, (argument.len + 1) * 100 * NSEC_PER_MSEC);
                break;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        struct reader r = reader_of(BYTES(data, size));
        struct drive *d = drive_new_described(nobody_signs);

        while (reader_left(&r) >= 3) {
                unsigned what = reader_u8(&r);
                size_t len = reader_u16(&r);

                step(d, what, reader_take(&r, len < reader_left(&r) ? len : reader_left(&r)));
        }
        drive_wait(d, 400 * NSEC_PER_SEC);
        check(!d->is_verified);
        drive_free(d);
        return 0;
}
