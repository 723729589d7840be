#include "services/coordinator/shell_outbox.h"

void outbox_done(struct outbox *o) {
        for (; o->n > 0; o->n--) {
                refbuf_unref(o->units[o->first]);
                o->first = (o->first + 1) % OUTBOX_WINDOW;
        }
}

bool outbox_put(struct outbox *o, struct refbuf *unit) {
        if (o->n == OUTBOX_WINDOW) {
                refbuf_unref(unit);
                return false;
        }
        o->units[(o->first + o->n++) % OUTBOX_WINDOW] = unit;
        return true;
}

size_t outbox_flush(struct outbox *o, struct channel *c) {
        size_t n = 0;

        while (c && o->n > 0) {
                struct refbuf *unit = o->units[o->first];

                if (channel_send_refbuf(c, unit, 0, unit->len) != CHANNEL_OK)
                        break;
                refbuf_unref(unit);
                o->first = (o->first + 1) % OUTBOX_WINDOW;
                o->n--;
                n++;
        }
        if (c && o->n == 0 && o->finish_wanted) {
                o->finish_wanted = false;
                (void) channel_finish(c);
        }
        return n;
}
