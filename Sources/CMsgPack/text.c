// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

#include "CMsgPack.h"

static inline bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/// The length of the well-formed sequence at `at`, or 0; the table of the Unicode Standard, chapter 3, "UTF-8".
static inline size_t sequence_length(const uint8_t *at, size_t left) {
    uint8_t first = at[0];
    if (first < 0xc2 || left < 2) { return 0; }
    if (first < 0xe0) { return is_continuation(at[1]) ? 2 : 0; }
    uint8_t lowest = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    uint8_t highest = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (at[1] < lowest || at[1] > highest || left < 3 || !is_continuation(at[2])) { return 0; }
    if (first < 0xf0) { return 3; }
    return first < 0xf5 && left >= 4 && is_continuation(at[3]) ? 4 : 0;
}

/// Eight bits each of all bytes together; only their highest bits mean anything.
static inline uint64_t bits_of(const uint8_t *bytes, size_t count) {
    if (count >= 8) {
        // Eight bytes at a time, the last eight overlapping.
        uint64_t seen = 0, word;
        for (size_t index = 0; index + 8 <= count; index += 8) {
            memcpy(&word, bytes + index, 8);
            seen |= word;
        }
        memcpy(&word, bytes + count - 8, 8);
        return seen | word;
    }
    if (count >= 4) {
        uint32_t first, last;
        memcpy(&first, bytes, 4);
        memcpy(&last, bytes + count - 4, 4);
        return first | last;
    }
    return count == 0 ? 0 : bytes[0] | bytes[count / 2] | bytes[count - 1];
}

cmsgpack_text cmsgpack_check_text(const uint8_t *bytes, size_t count) {
    // Most text is ASCII.
    if ((bits_of(bytes, count) & 0x8080808080808080u) == 0) { return CMSGPACK_TEXT_ASCII; }
    size_t index = 0;
    while (index < count) {
        if (bytes[index] < 0x80) {
            index += 1;
            continue;
        }
        size_t length = sequence_length(bytes + index, count - index);
        if (length == 0) { return CMSGPACK_TEXT_INVALID; }
        index += length;
    }
    return CMSGPACK_TEXT_UTF8;
}
