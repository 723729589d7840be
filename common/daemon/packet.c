#include "common/daemon/packet.h"

#include "proto/bus.pb-c.h"

size_t packet_begin(const struct Bus__Header *h, uint8_t ret[2 + LINK_HEADER_MAX]) {
        size_t n = link_header_pack(h, ret + 2);

        if (n == 0)
                return 0;
        ret[0] = (uint8_t) (n >> 8);
        ret[1] = (uint8_t) n;
        return n + 2;
}

bool packet_parse(struct bytes in, struct link_header_space *space, struct frame *ret) {
        struct reader r = reader_of(in);
        struct bytes header = reader_take(&r, reader_u16(&r));

        if (r.failed)
                return false;
        ret->header = link_header_unpack(header, space);
        ret->body = reader_take(&r, reader_left(&r));
        return ret->header != NULL;
}
