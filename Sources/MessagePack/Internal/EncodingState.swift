// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

/// What all containers of one `encode` share: the buffer, and the frames being written into it.
///
/// Values go straight into one buffer. A container reserves one byte for its header, and the header is put right when
/// the `encode(to:)` that owns it returns (a scope). Inside a scope, nested containers may be alive side by side; each
/// change of writer is noted as a run, and runs out of order are sorted out when the scope closes.
final class EncodingState {
    /// The plain fields, outside the object so that access to them needs no exclusivity check.
    struct Core {
        var writer = cmsgpack_writer()
        /// The frame that may write now, and what it has written.
        var current = FrameHandle.nobody
        var elements = 0
        /// The first frame of the innermost scope.
        var scope = 0
        var scopeCount = 0
        var frames: UnsafeMutablePointer<Frame>
        var frameCount = 0
        var frameCapacity: Int
        var serial: UInt32 = 0
        var isOutOfOrder = false
        var hasFailed = false
    }

    /// Owned by this object: made in `init`, freed in `deinit`.
    let core: UnsafeMutablePointer<Core>
    let userInfo: [CodingUserInfoKey: any Sendable]
    let maximumDepth: Int
    /// Guarded by the rule that one `encode` runs on one thread, like all of this object.
    @exclusivity(unchecked) var runs: [Run] = []
    /// A failure found where nothing can be thrown; the next call that can throws it.
    @exclusivity(unchecked) var failure: MessagePackError?

    init(userInfo: [CodingUserInfoKey: any Sendable], maximumDepth: Int) {
        self.userInfo = userInfo
        self.maximumDepth = maximumDepth
        core = .allocate(capacity: 1)
        core.initialize(to: Core(frames: .allocate(capacity: 16), frameCapacity: 16))
        cmsgpack_writer_grow(&core.pointee.writer, 1024)
    }

    deinit {
        cmsgpack_writer_free(&core.pointee.writer)
        core.pointee.frames.deallocate()
        core.deallocate()
    }

    /// Encodes the whole message; its bytes are then in the buffer.
    func encode<T: Encodable>(message value: T) throws {
        try encodeScope(value, at: .none)
        if let failure { throw failure }
    }

    var bytes: UnsafeBufferPointer<UInt8> {
        UnsafeBufferPointer(start: core.pointee.writer.bytes, count: core.pointee.writer.count)
    }

    // MARK: Values

    /// Writes a value where the buffer ends: at once when its type is well known, else through its `encode(to:)`.
    func encode<T: Encodable>(_ value: T, at step: Step) throws {
        let type = WellKnownType.of(T.self)
        if type == .none { return try encodeScope(value, at: step) }
        do throws(MessagePackError) {
            try type.write(value, to: writer, depth: maximumDepth - currentDepth)
        } catch {
            throw MessagePackError(error.code, error.message, codingPath: path(of: core.pointee.current, step))
        }
    }

    /// How many arrays and maps are open.
    private var currentDepth: Int {
        let current = core.pointee.current
        return current == .nobody ? 0 : core.pointee.frames[current.index].depth
    }

    private func encodeScope<T: Encodable>(_ value: T, at step: Step) throws {
        let start = core.pointee.writer.count
        let (current, elements) = (core.pointee.current, core.pointee.elements)
        let (scope, isOutOfOrder) = (core.pointee.scope, core.pointee.isOutOfOrder)
        let root = core.pointee.frameCount
        let firstRun = runs.count
        // Values that wrap values add no depth to the message, but do add to the stack.
        guard core.pointee.scopeCount < maximumDepth * 4 + 64 else {
            throw tooDeep(path(of: current, step))
        }
        let frame = push(parent: current, step: step)
        core.pointee.current = frame
        core.pointee.elements = 0
        core.pointee.scope = root
        core.pointee.scopeCount += 1
        core.pointee.isOutOfOrder = false
        defer {
            core.pointee.current = current
            core.pointee.elements = elements
            core.pointee.scope = scope
            core.pointee.scopeCount -= 1
            core.pointee.isOutOfOrder = isOutOfOrder
            core.pointee.frameCount = root
            if runs.count > firstRun { runs.removeSubrange(firstRun...) }
        }
        try value.encode(to: ValueWriter(state: self, frame: frame))
        if core.pointee.hasFailed, let failure { throw failure }
        if core.pointee.frameCount == root + 1 {
            try close(frame)
        } else {
            try closeScope(from: root, start: start, firstRun: firstRun)
        }
    }

    /// Completes the only frame of a scope.
    @inline(__always)
    private func close(_ frame: FrameHandle) throws {
        let record = core.pointee.frames[frame.index]
        switch record.kind {
        case .map, .array:
            guard core.pointee.elements <= UInt32.max else { throw tooLong("a container", path(of: frame)) }
            cmsgpack_writer_patch(&core.pointee.writer, record.header, core.pointee.elements, record.kind == .map)
        case .written: break
        case .undecided: cmsgpack_pack_map(&core.pointee.writer, 0)
        case .single: throw nothingWritten(path(of: frame))
        }
    }

    // MARK: Frames

    private func push(parent: FrameHandle, step: Step) -> FrameHandle {
        let index = core.pointee.frameCount
        if index == core.pointee.frameCapacity { growFrames() }
        core.pointee.serial &+= 1
        let serial = core.pointee.serial
        let isTop = parent == .nobody
        (core.pointee.frames + index)
            .initialize(
                to: Frame(
                    serial: serial,
                    parent: isTop ? .max : UInt32(truncatingIfNeeded: parent.index),
                    depth: isTop ? 0 : core.pointee.frames[parent.index].depth,
                    kind: .undecided,
                    step: step,
                    header: 0,
                    elements: 0
                )
            )
        core.pointee.frameCount = index + 1
        return FrameHandle(index: index, serial: serial)
    }

    private func growFrames() {
        let capacity = core.pointee.frameCapacity * 2
        let frames = UnsafeMutablePointer<Frame>.allocate(capacity: capacity)
        frames.moveInitialize(from: core.pointee.frames, count: core.pointee.frameCount)
        core.pointee.frames.deallocate()
        core.pointee.frames = frames
        core.pointee.frameCapacity = capacity
    }

    /// Makes a frame that has lost the turn to a parent, a child or a sibling the current one again.
    @inline(never)
    func resume(_ frame: FrameHandle) throws(MessagePackError) {
        if let failure { throw failure }
        let index = frame.index
        guard index < core.pointee.frameCount, core.pointee.frames[index].serial == frame.serial else {
            throw MessagePackError(.misuse, "a container was written to after the encode(to:) that made it returned")
        }
        guard index >= core.pointee.scope else {
            throw MessagePackError(
                .misuse,
                "a container was written to while a value inside it was being encoded",
                codingPath: path(of: frame)
            )
        }
        let current = core.pointee.current.index
        core.pointee.frames[current].elements = core.pointee.elements
        if !isAncestor(index, of: current) { core.pointee.isOutOfOrder = true }
        runs.append(Run(position: core.pointee.writer.count, frame: index, opens: false))
        core.pointee.current = frame
        core.pointee.elements = core.pointee.frames[index].elements
    }

    private func isAncestor(_ ancestor: Int, of frame: Int) -> Bool {
        var index = frame
        while index > ancestor, core.pointee.frames[index].parent != .max {
            index = Int(core.pointee.frames[index].parent)
        }
        return index == ancestor
    }

    /// Turns a frame into a map or an array, reserving its header; a second request for the same kind shares it.
    func open(_ frame: FrameHandle, as kind: Frame.Kind) -> FrameHandle {
        do {
            if core.pointee.current != frame { try resume(frame) }
        } catch {
            record(error)
            return .invalid
        }
        let index = frame.index
        let found = core.pointee.frames[index]
        if found.kind == kind { return frame }
        guard found.kind == .undecided || found.kind == .single else {
            record(
                MessagePackError(
                    .misuse,
                    "encode(to:) asked for containers of two kinds for one value",
                    codingPath: path(of: frame)
                )
            )
            return .invalid
        }
        guard found.depth < maximumDepth else {
            record(tooDeep(path(of: frame)))
            return .invalid
        }
        core.pointee.frames[index].kind = kind
        core.pointee.frames[index].depth = found.depth + 1
        core.pointee.frames[index].header = core.pointee.writer.count
        core.pointee.elements = 0
        cmsgpack_writer_append_byte(&core.pointee.writer, 0xc1)
        return frame
    }

    /// Opens a frame inside another, for whose value a key or a place has just been written.
    func openNested(in parent: FrameHandle, at step: Step) -> FrameHandle {
        core.pointee.frames[parent.index].elements = core.pointee.elements
        let frame = push(parent: parent, step: step)
        runs.append(Run(position: core.pointee.writer.count, frame: frame.index, opens: true))
        core.pointee.current = frame
        core.pointee.elements = 0
        return frame
    }

    /// Notes a failure to throw later.
    func record(_ error: MessagePackError) {
        if failure == nil { failure = error }
        core.pointee.hasFailed = true
    }
}
