#include "services/worker/oddities.h"

static char *const names[INFER_CLASSES] = {
        [INFER_NUMBERS] = (char *) "numbers",
        [INFER_DATES] = (char *) "dates",
        [INFER_TIMESTAMPS] = (char *) "timestamps",
};

void oddities_say(struct describe_odd *odd, struct oddities *room, Worker__Described *ret) {
        for (size_t i = 0; i < odd->n; i++) {
                struct describe_oddity *o = &odd->list[i];
                Types__ColumnNote *n = room->list[i] = &room->notes[i];

                types__column_note__init(n);
                n->column = o->column;
                n->name = o->name;
                n->row = o->first.row;
                n->value = o->first.text;
                n->most = names[o->class];
                n->values = o->n;
                n->others = o->others;
        }
        ret->notes = room->list;
        ret->n_notes = odd->n;
}
