/* Bytes of three hosts that are asked what a query is, and of those that may run it then. The
 * input is a script as that of fuzz_job_messages. Nobody can sign here: nothing is VERIFIED. */

#include "tests/fuzz/requester_drive.h"

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
        return drive_script(drive_new_described(drive_nobody_signs), BYTES(data, size), step);
}
