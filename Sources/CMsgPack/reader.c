// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

// Why not msgpack-c's unpack template: its stack of open containers is a fixed array inside the context, so the depth
// would be a constant of the build; its callbacks get a number without the place it came from, so an error could not
// name its byte; and a container is announced before anything compares its count with the bytes that are left. So the
// walk is ours, and msgpack-c's load macros read the numbers.

#include "CMsgPack.h"
#include "token.h"

#include <endian.h>
#include <stdlib.h>

const uint8_t cmsgpack_fixed_sizes[256] = {
    [0x00 ... 0x7f] = 1,
    [0xa0] = 1,  [0xa1] = 2,  [0xa2] = 3,  [0xa3] = 4,  [0xa4] = 5,  [0xa5] = 6,  [0xa6] = 7,  [0xa7] = 8,
    [0xa8] = 9,  [0xa9] = 10, [0xaa] = 11, [0xab] = 12, [0xac] = 13, [0xad] = 14, [0xae] = 15, [0xaf] = 16,
    [0xb0] = 17, [0xb1] = 18, [0xb2] = 19, [0xb3] = 20, [0xb4] = 21, [0xb5] = 22, [0xb6] = 23, [0xb7] = 24,
    [0xb8] = 25, [0xb9] = 26, [0xba] = 27, [0xbb] = 28, [0xbc] = 29, [0xbd] = 30, [0xbe] = 31, [0xbf] = 32,
    [0xc0] = 1,  [0xc2] = 1,  [0xc3] = 1,  [0xca] = 5,  [0xcb] = 9,
    [0xcc] = 2,  [0xcd] = 3,  [0xce] = 5,  [0xcf] = 9,  [0xd0] = 2,  [0xd1] = 3,  [0xd2] = 5,  [0xd3] = 9,
    [0xd4] = 3,  [0xd5] = 4,  [0xd6] = 6,  [0xd7] = 10, [0xd8] = 18, [0xe0 ... 0xff] = 1,
};

/// The size of the header of a value that `cmsgpack_fixed_size` does not know.
static const uint8_t header_size[256] = {
    [0x80 ... 0x8f] = 1, [0x90 ... 0x9f] = 1, [0xc4] = 2, [0xc5] = 3, [0xc6] = 5, [0xc7] = 3, [0xc8] = 4, [0xc9] = 6,
    [0xd9] = 2, [0xda] = 3, [0xdb] = 5, [0xdc] = 3, [0xdd] = 5, [0xde] = 3, [0xdf] = 5,
};

bool cmsgpack_is_small_value(const uint8_t *bytes, size_t count) {
    return count > 0 && cmsgpack_fixed_size(*bytes) == count;
}

cmsgpack_token cmsgpack_read(const uint8_t *at) {
    uint8_t first = *at;
    if (first < 0x80) { return token(CMSGPACK_INT, 1, first); }
    if (first < 0x90) { return token(CMSGPACK_MAP, 1, first & 0x0f); }
    if (first < 0xa0) { return token(CMSGPACK_ARRAY, 1, first & 0x0f); }
    if (first < 0xc0) { return token(CMSGPACK_STR, 1, first & 0x1f); }
    if (first >= 0xe0) { return token(CMSGPACK_INT, 1, (uint64_t)(int64_t)(int8_t)first); }
    const uint8_t *rest = at + 1;
    switch (first) {
    case 0xc0: return token(CMSGPACK_NIL, 1, 0);
    case 0xc2: return token(CMSGPACK_BOOL, 1, 0);
    case 0xc3: return token(CMSGPACK_BOOL, 1, 1);
    case 0xc4: return token(CMSGPACK_BIN, 2, cmsgpack_load8(rest));
    case 0xc5: return token(CMSGPACK_BIN, 3, cmsgpack_load16(rest));
    case 0xc6: return token(CMSGPACK_BIN, 5, cmsgpack_load32(rest));
    case 0xc7: return ext_token(3, rest[1], cmsgpack_load8(rest));
    case 0xc8: return ext_token(4, rest[2], cmsgpack_load16(rest));
    case 0xc9: return ext_token(6, rest[4], cmsgpack_load32(rest));
    case 0xca: return token(CMSGPACK_FLOAT, 1, cmsgpack_load32(rest));
    case 0xcb: return token(CMSGPACK_DOUBLE, 1, cmsgpack_load64(rest));
    case 0xcc: return token(CMSGPACK_INT, 2, cmsgpack_load8(rest));
    case 0xcd: return token(CMSGPACK_INT, 3, cmsgpack_load16(rest));
    case 0xce: return token(CMSGPACK_INT, 5, cmsgpack_load32(rest));
    case 0xcf: return unsigned_token(9, cmsgpack_load64(rest));
    case 0xd0: return token(CMSGPACK_INT, 2, (uint64_t)(int64_t)(int8_t)*rest);
    case 0xd1: return token(CMSGPACK_INT, 3, (uint64_t)(int64_t)(int16_t)cmsgpack_load16(rest));
    case 0xd2: return token(CMSGPACK_INT, 5, (uint64_t)(int64_t)(int32_t)cmsgpack_load32(rest));
    case 0xd3: return token(CMSGPACK_INT, 9, cmsgpack_load64(rest));
    case 0xd4: return ext_token(2, *rest, 1);
    case 0xd5: return ext_token(2, *rest, 2);
    case 0xd6: return ext_token(2, *rest, 4);
    case 0xd7: return ext_token(2, *rest, 8);
    case 0xd8: return ext_token(2, *rest, 16);
    case 0xd9: return token(CMSGPACK_STR, 2, cmsgpack_load8(rest));
    case 0xda: return token(CMSGPACK_STR, 3, cmsgpack_load16(rest));
    case 0xdb: return token(CMSGPACK_STR, 5, cmsgpack_load32(rest));
    case 0xdc: return token(CMSGPACK_ARRAY, 3, cmsgpack_load16(rest));
    case 0xdd: return token(CMSGPACK_ARRAY, 5, cmsgpack_load32(rest));
    case 0xde: return token(CMSGPACK_MAP, 3, cmsgpack_load16(rest));
    case 0xdf: return token(CMSGPACK_MAP, 5, cmsgpack_load32(rest));
    default: return token(CMSGPACK_INVALID, 1, 0);
    }
}

static bool grow_spans(cmsgpack_message *message) {
    uint32_t capacity = message->span_capacity < 16 ? 16 : message->span_capacity;
    if (message->span_capacity != 0) {
        capacity = capacity > UINT32_MAX / 2 ? UINT32_MAX : capacity * 2;
        // There cannot be more containers than bytes.
        if (capacity > message->count) { capacity = message->count; }
    }
    cmsgpack_span *spans = realloc(message->spans, (size_t)capacity * sizeof(cmsgpack_span));
    if (spans == NULL) { return false; }
    message->spans = spans;
    message->span_capacity = capacity;
    return true;
}

void cmsgpack_message_free(cmsgpack_message *message) {
    free(message->spans);
    message->spans = NULL;
    message->span_count = message->span_capacity = 0;
}

#define FAIL(STATUS, CLAIMED)                                                                                          \
    do {                                                                                                               \
        *fault = (cmsgpack_fault){.offset = (uint32_t)(at - bytes), .claimed = (CLAIMED)};                             \
        return (STATUS);                                                                                               \
    } while (0)

/// The length of a short string or extension; none for numbers and the like.
static uint64_t small_length(const uint8_t *at) {
    cmsgpack_token found = cmsgpack_read(at);
    return found.kind == CMSGPACK_STR || found.kind == CMSGPACK_EXT ? found.number : 0;
}

cmsgpack_status cmsgpack_scan(cmsgpack_message *message, cmsgpack_limits limits, uint32_t *end, cmsgpack_fault *fault) {
    const uint8_t *const bytes = message->bytes;
    const uint8_t *const stop = bytes + message->count;
    const uint8_t *at = bytes;
    const uint8_t *const safe =
        message->count > CMSGPACK_SMALL_VALUE_SIZE && limits.length >= CMSGPACK_SMALL_VALUE_SIZE
            ? stop - CMSGPACK_SMALL_VALUE_SIZE
            : bytes;
    // While a container is open its span holds, instead, the elements still to come and the index of its parent.
    uint32_t open = UINT32_MAX;
    uint32_t depth = 0;
    uint64_t remaining = 1; // elements still to come in the innermost container
    uint64_t waiting = 0;   // elements still to come in those around it
    uint64_t values = 1;    // values seen or claimed so far
    message->span_count = 0;
    if (message->count == 0) { FAIL(CMSGPACK_EMPTY, 0); }
    if (values > limits.values) { FAIL(CMSGPACK_TOO_MANY, values); }

    for (;;) {
        uint8_t first = 0;
        size_t size = 1;
        // Where there is room for any small value, none has to be compared with what is left.
        for (; remaining != 0 && at < safe; --remaining) {
            first = *at;
            size = cmsgpack_fixed_size(first);
            if (size == 0) { break; }
            at += size;
        }
        for (; remaining != 0 && size != 0; --remaining) {
            if (at == stop) { FAIL(CMSGPACK_TRUNCATED, 0); }
            first = *at;
            size = cmsgpack_fixed_size(first);
            if (size == 0) { break; }
            if (size > (size_t)(stop - at)) { FAIL(CMSGPACK_TRUNCATED, size - 1); }
            if (size > limits.length && small_length(at) > limits.length) {
                FAIL(CMSGPACK_TOO_LONG, small_length(at));
            }
            at += size;
        }
        if (remaining == 0) {
            if (open == UINT32_MAX) {
                *end = (uint32_t)(at - bytes);
                return CMSGPACK_OK;
            }
            cmsgpack_span *span = &message->spans[open];
            open = span->next;
            span->end = (uint32_t)(at - bytes);
            span->next = message->span_count;
            depth -= 1;
            remaining = open == UINT32_MAX ? 0 : message->spans[open].end;
            waiting -= remaining;
            continue;
        }
        remaining -= 1;
        size_t left = (size_t)(stop - at), header = 1;
        uint64_t count = first & 0x0f;
        bool is_map = first < 0x90;
        // Most arrays and maps are small.
        if (__builtin_expect((first & 0xe0) != 0x80, 0)) {
            header = header_size[first];
            if (header == 0) { FAIL(CMSGPACK_RESERVED_BYTE, 0); }
            if (header > left) { FAIL(CMSGPACK_TRUNCATED, 0); }
            cmsgpack_token found = cmsgpack_read(at);
            if (found.number > limits.length) { FAIL(CMSGPACK_TOO_LONG, found.number); }
            if (found.kind != CMSGPACK_ARRAY && found.kind != CMSGPACK_MAP) {
                if (found.number > left - header) { FAIL(CMSGPACK_TRUNCATED, found.number); }
                at += header + found.number;
                continue;
            }
            count = found.number;
            is_map = found.kind == CMSGPACK_MAP;
        } else if (count > limits.length) {
            FAIL(CMSGPACK_TOO_LONG, count);
        }
        if (depth == limits.depth) { FAIL(CMSGPACK_TOO_DEEP, depth); }
        if (count == 0) {
            at += header;
            continue;
        }
        uint64_t elements = count << is_map;
        // Each element takes a byte at least: a claim that the rest cannot hold is refused here.
        if (elements + remaining + waiting > left - header) { FAIL(CMSGPACK_TRUNCATED, count); }
        values += elements;
        if (values > limits.values) { FAIL(CMSGPACK_TOO_MANY, values); }
        if (message->span_count == message->span_capacity && !grow_spans(message)) { abort(); }
        if (open != UINT32_MAX) { message->spans[open].end = (uint32_t)remaining; }
        message->spans[message->span_count].next = open;
        open = message->span_count++;
        depth += 1;
        waiting += remaining;
        remaining = elements;
        at += header;
    }
}

cmsgpack_cursor cmsgpack_skip_any(const cmsgpack_message *message, cmsgpack_cursor cursor) {
    cmsgpack_token found = cmsgpack_read(message->bytes + cursor.offset);
    cmsgpack_cursor next = {cursor.offset + found.header, cursor.span};
    switch (found.kind) {
    case CMSGPACK_ARRAY:
    case CMSGPACK_MAP:
        return found.number == 0
            ? next
            : (cmsgpack_cursor){message->spans[cursor.span].end, message->spans[cursor.span].next};
    case CMSGPACK_STR:
    case CMSGPACK_BIN:
    case CMSGPACK_EXT: next.offset += (uint32_t)found.number;
    }
    return next;
}
