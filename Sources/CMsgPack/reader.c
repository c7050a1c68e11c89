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

/// The size of a value whose first byte says it all, or 0.
static const uint8_t fixed_size[256] = {
    [0x00 ... 0x7f] = 1,
    [0xa0] = 1,  [0xa1] = 2,  [0xa2] = 3,  [0xa3] = 4,  [0xa4] = 5,  [0xa5] = 6,  [0xa6] = 7,  [0xa7] = 8,
    [0xa8] = 9,  [0xa9] = 10, [0xaa] = 11, [0xab] = 12, [0xac] = 13, [0xad] = 14, [0xae] = 15, [0xaf] = 16,
    [0xb0] = 17, [0xb1] = 18, [0xb2] = 19, [0xb3] = 20, [0xb4] = 21, [0xb5] = 22, [0xb6] = 23, [0xb7] = 24,
    [0xb8] = 25, [0xb9] = 26, [0xba] = 27, [0xbb] = 28, [0xbc] = 29, [0xbd] = 30, [0xbe] = 31, [0xbf] = 32,
    [0xc0] = 1,  [0xc2] = 1,  [0xc3] = 1,  [0xca] = 5,  [0xcb] = 9,
    [0xcc] = 2,  [0xcd] = 3,  [0xce] = 5,  [0xcf] = 9,  [0xd0] = 2,  [0xd1] = 3,  [0xd2] = 5,  [0xd3] = 9,
    [0xd4] = 3,  [0xd5] = 4,  [0xd6] = 6,  [0xd7] = 10, [0xd8] = 18, [0xe0 ... 0xff] = 1,
};

/// The size of the header of a value that `fixed_size` does not know.
static const uint8_t header_size[256] = {
    [0x80 ... 0x8f] = 1, [0x90 ... 0x9f] = 1, [0xc4] = 2, [0xc5] = 3, [0xc6] = 5, [0xc7] = 3, [0xc8] = 4, [0xc9] = 6,
    [0xd9] = 2, [0xda] = 3, [0xdb] = 5, [0xdc] = 3, [0xdd] = 5, [0xde] = 3, [0xdf] = 5,
};

bool cmsgpack_is_small_value(const uint8_t *bytes, size_t count) { return count > 0 && fixed_size[*bytes] == count; }

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
    // While a container is open its span holds, instead, the elements still to come and the index of its parent.
    uint32_t open = UINT32_MAX;
    uint32_t depth = 0;
    uint64_t remaining = 1;   // elements still to come in the innermost container
    uint64_t outstanding = 1; // elements still to come in all open containers
    uint64_t values = 1;      // values seen or claimed so far
    message->span_count = 0;
    if (message->count == 0) { FAIL(CMSGPACK_EMPTY, 0); }
    if (values > limits.values) { FAIL(CMSGPACK_TOO_MANY, values); }

    for (;;) {
        while (remaining == 0) {
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
        }
        if (at == stop) { FAIL(CMSGPACK_TRUNCATED, 0); }
        size_t left = (size_t)(stop - at);
        uint8_t first = *at;
        size_t size = fixed_size[first];
        remaining -= 1;
        outstanding -= 1;
        if (__builtin_expect(size != 0, 1)) {
            if (size > left) { FAIL(CMSGPACK_TRUNCATED, size - 1); }
            if (__builtin_expect(size > limits.length, 0) && small_length(at) > limits.length) {
                FAIL(CMSGPACK_TOO_LONG, small_length(at));
            }
            at += size;
            continue;
        }
        size_t header = header_size[first];
        if (header == 0) { FAIL(CMSGPACK_RESERVED_BYTE, 0); }
        if (header > left) { FAIL(CMSGPACK_TRUNCATED, 0); }
        cmsgpack_token found = cmsgpack_read(at);
        if (found.number > limits.length) { FAIL(CMSGPACK_TOO_LONG, found.number); }
        if (found.kind != CMSGPACK_ARRAY && found.kind != CMSGPACK_MAP) {
            if (found.number > left - header) { FAIL(CMSGPACK_TRUNCATED, found.number); }
            at += header + found.number;
            continue;
        }
        if (depth == limits.depth) { FAIL(CMSGPACK_TOO_DEEP, depth); }
        if (found.number == 0) {
            at += header;
            continue;
        }
        uint64_t elements = found.kind == CMSGPACK_MAP ? found.number * 2 : found.number;
        // Each element takes a byte at least: a claim that the rest cannot hold is refused here.
        if (elements + outstanding > left - header) { FAIL(CMSGPACK_TRUNCATED, found.number); }
        values += elements;
        if (values > limits.values) { FAIL(CMSGPACK_TOO_MANY, values); }
        if (message->span_count == message->span_capacity && !grow_spans(message)) { abort(); }
        if (open != UINT32_MAX) { message->spans[open].end = (uint32_t)remaining; }
        message->spans[message->span_count].next = open;
        open = message->span_count++;
        depth += 1;
        remaining = elements;
        outstanding += elements;
        at += header;
    }
}

static inline cmsgpack_cursor skip(const cmsgpack_message *message, cmsgpack_cursor cursor) {
    const uint8_t *at = message->bytes + cursor.offset;
    uint32_t size = fixed_size[*at];
    if (__builtin_expect(size != 0, 1)) { return (cmsgpack_cursor){cursor.offset + size, cursor.span}; }
    cmsgpack_token found = cmsgpack_read(at);
    if (found.kind != CMSGPACK_ARRAY && found.kind != CMSGPACK_MAP) {
        return (cmsgpack_cursor){cursor.offset + found.header + (uint32_t)found.number, cursor.span};
    }
    if (found.number == 0) { return (cmsgpack_cursor){cursor.offset + found.header, cursor.span}; }
    return (cmsgpack_cursor){message->spans[cursor.span].end, message->spans[cursor.span].next};
}

cmsgpack_cursor cmsgpack_skip(const cmsgpack_message *message, cmsgpack_cursor cursor) { return skip(message, cursor); }

static inline bool equal(const uint8_t *a, const uint8_t *b, size_t count) {
    uint64_t x, y;
    if (count >= 8) {
        size_t index = 0;
        for (; index + 8 <= count; index += 8) {
            memcpy(&x, a + index, 8);
            memcpy(&y, b + index, 8);
            if (x != y) { return false; }
        }
        memcpy(&x, a + count - 8, 8);
        memcpy(&y, b + count - 8, 8);
        return x == y;
    }
    if (count >= 4) {
        uint32_t v, w;
        memcpy(&v, a, 4);
        memcpy(&w, b, 4);
        if (v != w) { return false; }
        memcpy(&v, a + count - 4, 4);
        memcpy(&w, b + count - 4, 4);
        return v == w;
    }
    // First, middle and last are all there are of three.
    return count == 0 || (a[0] == b[0] && a[count / 2] == b[count / 2] && a[count - 1] == b[count - 1]);
}

/// Whether the string at `at` has these bytes.
static inline bool is_key(const uint8_t *at, uint8_t short_header, const uint8_t *key, size_t count) {
    if (__builtin_expect(*at == short_header, 1)) { return equal(at + 1, key, count); }
    if (*at < 0xd9 || *at > 0xdb) { return false; }
    cmsgpack_token found = cmsgpack_read(at);
    return found.number == count && equal(at + found.header, key, count);
}

// One loop over the pairs, from the hint on and round to where it began; TEST says whether the key at `at` is the one.
#define FIND(TEST)                                                                                                     \
    cmsgpack_cursor cursor = map.first;                                                                                \
    uint32_t index = 0;                                                                                                \
    if (node->owner == map.first.offset && node->hint_index < map.count) {                                             \
        cursor = node->hint;                                                                                           \
        index = node->hint_index;                                                                                      \
    }                                                                                                                  \
    for (uint32_t tried = 0; tried < map.count; ++tried) {                                                             \
        const uint8_t *at = message->bytes + cursor.offset;                                                            \
        bool found = (TEST);                                                                                           \
        uint32_t offset = cursor.offset;                                                                               \
        cmsgpack_cursor after = skip(message, cursor);                                                                 \
        cursor = skip(message, after);                                                                                 \
        index += 1;                                                                                                    \
        if (found) {                                                                                                   \
            *key_at = offset;                                                                                          \
            *value = after;                                                                                            \
            node->owner = map.first.offset;                                                                            \
            node->hint = cursor;                                                                                       \
            node->hint_index = index;                                                                                  \
            return true;                                                                                               \
        }                                                                                                              \
        if (index == map.count) {                                                                                      \
            cursor = map.first;                                                                                        \
            index = 0;                                                                                                 \
        }                                                                                                              \
    }                                                                                                                  \
    return false

bool cmsgpack_find(const cmsgpack_message *message, cmsgpack_map map, cmsgpack_node *node, const uint8_t *key,
                   size_t key_count, uint32_t *key_at, cmsgpack_cursor *value) {
    // 0xc1 starts no value, so a long key never matches as a short one.
    uint8_t short_header = key_count < 32 ? (uint8_t)(0xa0 | key_count) : 0xc1;
    FIND(is_key(at, short_header, key, key_count));
}

static inline bool is_integer_key(const uint8_t *at, int64_t key) {
    cmsgpack_token found = cmsgpack_read(at);
    return found.kind == CMSGPACK_INT && (int64_t)found.number == key;
}

bool cmsgpack_find_integer(const cmsgpack_message *message, cmsgpack_map map, cmsgpack_node *node, int64_t key,
                           uint32_t *key_at, cmsgpack_cursor *value) {
    FIND(is_integer_key(at, key));
}

/// What two strings differ in, most of the time: seven bytes of each and the length. Equal ones never differ in it.
static inline uint64_t mark(const uint8_t *bytes, size_t count, const uint8_t *stop) {
    uint64_t word = 0;
    if (__builtin_expect(stop - bytes >= 8, 1)) {
        memcpy(&word, bytes, 8);
        word = le64toh(word);
        if (count < 8) { word &= ((uint64_t)1 << (8 * count)) - 1; }
    } else {
        memcpy(&word, bytes, count);
        word = le64toh(word);
    }
    return word << 8 | (count & 0xff);
}

/// A seeded hash of a key's bytes: seeded, so that a sender cannot prepare keys that all fall together.
static inline uint64_t hash(const uint8_t *bytes, size_t count, uint64_t seed) {
    uint64_t state = seed ^ (count * 0x9e3779b97f4a7c15u);
    while (count >= 8) {
        uint64_t word;
        memcpy(&word, bytes, 8);
        state = (state ^ word) * 0xbf58476d1ce4e5b9u;
        state ^= state >> 29;
        bytes += 8;
        count -= 8;
    }
    uint64_t tail = 0;
    for (size_t index = 0; index < count; ++index) { tail |= (uint64_t)bytes[index] << (8 * index); }
    state = (state ^ tail) * 0x94d049bb133111ebu;
    return state ^ (state >> 31);
}

/// Whether two keys of one map are the same string or the same integer.
static bool same_key(const uint8_t *a, const uint8_t *b) {
    cmsgpack_token x = cmsgpack_read(a);
    cmsgpack_token y = cmsgpack_read(b);
    if (x.kind != y.kind || x.number != y.number) { return false; }
    return x.kind != CMSGPACK_STR || memcmp(a + x.header, b + y.header, x.number) == 0;
}

/// Whether a key is one at all, and where its bytes are.
static inline bool read_key(const uint8_t *at, cmsgpack_token *key, const uint8_t **bytes, size_t *count) {
    if (__builtin_expect(*at >= 0xa0 && *at <= 0xbf, 1)) {
        *key = token(CMSGPACK_STR, 1, *at & 0x1f);
    } else {
        *key = cmsgpack_read(at);
    }
    *bytes = at + key->header;
    *count = key->number;
    return key->kind == CMSGPACK_STR || key->kind == CMSGPACK_INT;
}

enum { FEW = 24 };

/// A few keys are compared with each other, which costs less than hashing them.
static cmsgpack_map_status check_few(const cmsgpack_message *message, cmsgpack_map map, uint32_t *integers_found,
                                     uint32_t *fault) {
    struct {
        uint64_t mark;
        const uint8_t *at;
    } keys[FEW];
    cmsgpack_map_status status = CMSGPACK_MAP_OK;
    cmsgpack_cursor cursor = map.first;
    *integers_found = 0;
    for (uint32_t index = 0; index < map.count; ++index) {
        const uint8_t *at = message->bytes + cursor.offset, *bytes;
        cmsgpack_token key;
        size_t count;
        if (!read_key(at, &key, &bytes, &count)) {
            *fault = cursor.offset;
            return CMSGPACK_MAP_BAD_KEY;
        }
        bool is_integer = key.kind == CMSGPACK_INT;
        *integers_found += is_integer;
        uint64_t new = is_integer ? key.number : mark(bytes, count, message->bytes + message->count);
        for (uint32_t other = 0; other < index; ++other) {
            if (keys[other].mark == new && same_key(keys[other].at, at)) { status = CMSGPACK_MAP_REPEATED; }
        }
        keys[index].mark = new;
        keys[index].at = at;
        cursor = skip(message, skip(message, cursor));
    }
    return status;
}

/// Any number of keys, in a table by their hashes.
static cmsgpack_map_status check_many(const cmsgpack_message *message, cmsgpack_map map, uint64_t seed,
                                      uint32_t *integers_found, uint32_t *fault) {
    struct slot {
        uint32_t hash;
        uint32_t offset;
    };
    // At most four slots for each pair that is really there.
    size_t capacity = 64;
    while (capacity < (size_t)map.count * 2) { capacity *= 2; }
    size_t mask = capacity - 1;
    struct slot *slots = malloc(capacity * sizeof(struct slot));
    if (slots == NULL) { abort(); }
    for (size_t index = 0; index < capacity; ++index) { slots[index].offset = UINT32_MAX; }
    cmsgpack_map_status status = CMSGPACK_MAP_OK;
    cmsgpack_cursor cursor = map.first;
    *integers_found = 0;
    for (uint32_t index = 0; index < map.count; ++index) {
        const uint8_t *at = message->bytes + cursor.offset, *bytes;
        cmsgpack_token key;
        size_t count;
        if (!read_key(at, &key, &bytes, &count)) {
            *fault = cursor.offset;
            status = CMSGPACK_MAP_BAD_KEY;
            break;
        }
        bool is_integer = key.kind == CMSGPACK_INT;
        *integers_found += is_integer;
        uint64_t full = is_integer ? hash((const uint8_t *)&key.number, 8, seed) : hash(bytes, count, seed);
        struct slot new = {.hash = (uint32_t)full, .offset = cursor.offset};
        size_t place = new.hash & mask;
        while (slots[place].offset != UINT32_MAX) {
            if (slots[place].hash == new.hash && same_key(message->bytes + slots[place].offset, at)) {
                status = CMSGPACK_MAP_REPEATED;
                break;
            }
            place = (place + 1) & mask;
        }
        slots[place] = new;
        cursor = skip(message, skip(message, cursor));
    }
    free(slots);
    return status;
}

cmsgpack_map_status cmsgpack_check_keys(const cmsgpack_message *message, cmsgpack_map map, uint64_t seed,
                                        uint32_t *integers_found, uint32_t *fault) {
    return map.count <= FEW ? check_few(message, map, integers_found, fault)
                            : check_many(message, map, seed, integers_found, fault);
}
