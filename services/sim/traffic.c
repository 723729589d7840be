#include "services/sim/traffic.h"

const char *const part_names[_PARTS] = {
        [PART_HANDSHAKE] = "handshakes", [PART_KEEPALIVE] = "keepalive", [PART_HEADERS] = "headers",
        [PART_REFRESH] = "refresh",      [PART_RECORDS] = "records",     [PART_GOSSIP] = "gossip",
        [PART_SAMPLES] = "samples",      [PART_USER] = "user",
};
const char *const purpose_names[_PURPOSES] = {
        [PURPOSE_REFRESH] = "refresh", [PURPOSE_RECORDS] = "records", [PURPOSE_USER] = "user",
        [PURPOSE_SAMPLES] = "samples", [PURPOSE_MEMBERS] = "members",
};
