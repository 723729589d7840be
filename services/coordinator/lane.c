#include "services/coordinator/lane.h"

#include "common/wire/unpack.h"

#define BACKLOG_MAX (32u << 20) /* above all credit a peer can have */

/* A batch is at most 16 MiB of canonical bytes; everything else is small. */
static const struct unpack_limits batch_limits = {
        .depth = 8, .fields = 4096, .unknown = 16, .memory = LANE_BATCH_MAX + (1u << 20)
};

void lane_init(struct lane *l, struct actions *actions, uint64_t id, uint32_t window,
               size_t frame_max, struct budget *budget) {
        *l = (struct lane){ .id = id, .actions = actions, .budget = budget, .window = window };
        frame_reader_init(&l->in, frame_max);
        buffer_init(&l->out, 2 * LANE_BATCH_MAX);
        buffer_init(&l->backlog, BACKLOG_MAX);
}

void lane_done(struct lane *l) {
        frame_reader_done(&l->in);
        buffer_done(&l->out);
        buffer_done(&l->backlog);
        budget_give(l->budget, l->charged_in + l->charged_out);
        l->charged_in = l->charged_out = 0;
        l->is_ended = true;
}

static int hand_over(struct lane *l, struct bytes frame, lane_message_fn fn, void *userdata) {
        CLEANUP(unpacked_donep) struct unpacked u = {};

        if (wire_unpack(&grid__job_message__descriptor, frame, &batch_limits, &u))
                return LANE_E_MALFORMED;
        return fn(userdata, u.message) ? LANE_OK : LANE_E_ENDED;
}

/* Charged before it is kept: all of the unit first, then what is really held. */
static void settle(struct lane *l) {
        uint64_t held = frame_reader_held(&l->in) + l->backlog.len;

        if (l->charged_in > held)
                budget_give(l->budget, l->charged_in - held);
        l->charged_in = held;
}

static int read_on(struct lane *l, struct bytes data, lane_message_fn fn, void *userdata) {
        struct bytes frame;
        int r;

        while (!l->is_held && (r = frame_reader_next(&l->in, &data, &frame)) == FRAME_OK) {
                r = hand_over(l, frame, fn, userdata);
                if (r)
                        return r;
        }
        l->is_feeding = false;
        if (l->is_held)
                buffer_put_bytes(&l->backlog, data);
        else if (r != FRAME_E_MORE)
                return LANE_E_MALFORMED;
        settle(l);
        return LANE_OK;
}

int lane_feed(struct lane *l, struct bytes data, lane_message_fn fn, void *userdata) {
        CLEANUP(buffer_donep) struct buffer before = {};

        if (l->is_ended)
                return LANE_E_ENDED;
        if (budget_take(l->budget, data.len))
                return LANE_E_QUOTA;
        l->charged_in += data.len;
        l->owed += data.len > 0;
        lane_hold(l, l->is_held);
        if (l->is_held || l->is_feeding || l->backlog.len > 0)
                buffer_put_bytes(&l->backlog, data);
        if (l->is_held || l->is_feeding)
                return l->backlog.failed ? LANE_E_QUOTA : LANE_OK;
        if (l->backlog.len > 0) {
                before = l->backlog;
                buffer_init(&l->backlog, BACKLOG_MAX);
                data = buffer_bytes(&before);
        }
        l->is_feeding = true;
        return read_on(l, data, fn, userdata);
}

void lane_hold(struct lane *l, bool held) {
        l->is_held = held;
        if (held || l->owed == 0 || l->is_ended)
                return;
        actions_add(l->actions, ACTION_CONSUMED, l->id)->n = l->owed;
        l->owed = 0;
}

static void emit(struct lane *l) {
        while (l->window > 0 && l->out_given < l->out.len) {
                size_t left = l->out.len - l->out_given;
                size_t n = left < STREAM_UNIT_MAX ? left : STREAM_UNIT_MAX;

                actions_add_data(l->actions, ACTION_SEND, l->id,
                                 refbuf_new(BYTES(l->out.data + l->out_given, n)));
                l->out_given += n;
                l->window--;
                budget_give(l->budget, n);
                l->charged_out -= n;
        }
        if (l->out_given == l->out.len) {
                buffer_done(&l->out);
                l->out_given = 0;
        } else if (l->out_given >= l->out.len / 2) {
                buffer_consume(&l->out, l->out_given);
                l->out_given = 0;
        }
        if (l->finish_wanted && l->out.len == 0) {
                actions_add(l->actions, ACTION_FINISH, l->id);
                l->finish_wanted = false;
        }
}

int lane_send(struct lane *l, const Grid__JobMessage *message) {
        size_t len = protobuf_c_message_get_packed_size(&message->base), total;
        uint8_t prefix[VARINT_SIZE_MAX];
        size_t prefix_len = frame_prefix(len, prefix);

        total = prefix_len + len;
        if (l->is_ended)
                return LANE_OK;
        if (budget_take(l->budget, total))
                return LANE_E_QUOTA;
        buffer_put(&l->out, prefix, prefix_len);
        wire_pack(&l->out, &message->base);
        if (l->out.failed) {
                budget_give(l->budget, total);
                return LANE_E_QUOTA;
        }
        l->charged_out += total;
        emit(l);
        return LANE_OK;
}

size_t lane_queued(const struct lane *l) {
        return l->out.len - l->out_given;
}

void lane_window(struct lane *l, uint32_t units) {
        l->window = units > UINT32_MAX - l->window ? UINT32_MAX : l->window + units;
        emit(l);
}

void lane_finish(struct lane *l) {
        if (l->is_ended)
                return;
        l->finish_wanted = true;
        emit(l);
}

void lane_reset(struct lane *l) {
        if (l->is_ended)
                return;
        actions_add(l->actions, ACTION_RESET, l->id);
        l->is_ended = true;
}
