// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

extension EncodingState {
    /// The keys and indices that lead to a frame, and then to a value in it.
    func codingPath(of frame: FrameHandle, _ step: Step = .none) -> [any CodingKey] {
        var keys: [any CodingKey] = []
        if let key = key(for: step) { keys.append(key) }
        var index = frame.index
        guard frame != .nobody, index < core.pointee.frameCount, core.pointee.frames[index].serial == frame.serial
        else { return keys }
        while true {
            let record = core.pointee.frames[index]
            if let key = key(for: record.step) { keys.append(key) }
            if record.parent == .max { break }
            index = Int(record.parent)
        }
        keys.reverse()
        return keys
    }

    func path(of frame: FrameHandle, _ step: Step = .none) -> [String] {
        codingPath(of: frame, step).map(\.stringValue)
    }

    /// Reads a key back from the buffer.
    ///
    /// Bytes before an open value never move, so its offset stays right.
    private func key(for step: Step) -> PathKey? {
        if let index = step.index { return PathKey(intValue: index) }
        guard let offset = step.keyOffset, offset < core.pointee.writer.count else { return nil }
        let start = core.pointee.writer.bytes + offset
        let token = cmsgpack_read(start)
        let text = UnsafeBufferPointer(start: start + Int(token.header), count: Int(token.number))
        return PathKey(stringValue: String(decoding: text, as: UTF8.self))
    }

    func tooDeep(_ path: [String]) -> MessagePackError {
        MessagePackError(
            .tooDeep,
            "values are nested more than \(maximumDepth) deep; raise the encoder's maximumDepth or break a cycle",
            codingPath: path
        )
    }

    func tooLong(_ what: String, _ path: [String]) -> MessagePackError {
        MessagePackError(.tooLong, "\(what) is longer than the 4294967295 MessagePack allows", codingPath: path)
    }

    @inline(never)
    func recordTooLongString() {
        record(tooLong("a string", path(of: core.pointee.current)))
    }

    func nothingWritten(_ path: [String]) -> MessagePackError {
        MessagePackError(
            .unsupportedValue,
            "encode(to:) asked for a single value container and wrote nothing to it",
            codingPath: path
        )
    }

    func secondValue(_ path: [String]) -> MessagePackError {
        MessagePackError(.misuse, "encode(to:) wrote a second value where one belongs", codingPath: path)
    }
}
