// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import CMsgPack

extension EncodingState {
    /// Completes a scope in which nested containers were opened.
    ///
    /// When each container's bytes lie in one piece and all headers fit the byte reserved for them, the headers are
    /// written in place. Otherwise the scope's bytes are put together anew, in one pass.
    func closeScope(from root: Int, start: Int, firstRun: Int) throws {
        let frames = UnsafeMutableBufferPointer(start: core.pointee.frames, count: core.pointee.frameCount)
        frames[core.pointee.current.index].elements = core.pointee.elements
        var isInPlace = !core.pointee.isOutOfOrder
        for index in root..<frames.count {
            let handle = FrameHandle(index: index, serial: frames[index].serial)
            switch frames[index].kind {
            case .map, .array:
                guard frames[index].elements <= UInt32.max else { throw tooLong("a container", path(of: handle)) }
                if frames[index].elements > 15 { isInPlace = false }
            case .written: break
            case .undecided: isInPlace = false
            case .single: throw nothingWritten(path(of: handle))
            }
        }
        guard isInPlace else {
            rebuild(frames, root: root, start: start, runs: runs[firstRun...])
            return
        }
        for frame in frames[root...] where frame.kind != .written {
            cmsgpack_writer_patch(&core.pointee.writer, frame.header, frame.elements, frame.kind == .map)
        }
    }

    /// A piece of a frame's content.
    private enum Piece {
        case bytes(Range<Int>)
        case child(Int)
    }

    private func rebuild(
        _ frames: UnsafeMutableBufferPointer<Frame>,
        root: Int,
        start: Int,
        runs: ArraySlice<Run>
    ) {
        var pieces = [[Piece]](repeating: [], count: frames.count - root)
        var position = start
        var owner = root
        let end = core.pointee.writer.count
        func flush(to next: Int) {
            // The first byte of a map or an array is the one reserved for its header.
            let isHeader = frames[owner].kind != .written && pieces[owner - root].isEmpty
            let from = isHeader ? position + 1 : position
            if isHeader ? position < next : from < next { pieces[owner - root].append(.bytes(from..<next)) }
            position = next
        }
        for run in runs {
            flush(to: run.position)
            if run.opens { pieces[Int(frames[run.frame].parent) - root].append(.child(run.frame)) }
            owner = run.frame
        }
        flush(to: end)

        var output = cmsgpack_writer()
        cmsgpack_writer_grow(&output, end - start + 4 * (frames.count - root))
        var open: [(frame: Int, next: Int)] = []
        func begin(_ frame: Int) {
            switch frames[frame].kind {
            case .map: cmsgpack_pack_map(&output, frames[frame].elements)
            case .array: cmsgpack_pack_array(&output, frames[frame].elements)
            case .undecided: cmsgpack_pack_map(&output, 0)
            case .written, .single: break
            }
            open.append((frame, 0))
        }
        begin(root)
        while let (frame, next) = open.last {
            guard next < pieces[frame - root].count else {
                open.removeLast()
                continue
            }
            open[open.count - 1].next += 1
            switch pieces[frame - root][next] {
            case .bytes(let range):
                cmsgpack_writer_append(&output, core.pointee.writer.bytes + range.lowerBound, range.count)
            case .child(let child): begin(child)
            }
        }
        core.pointee.writer.count = start
        cmsgpack_writer_append(&core.pointee.writer, output.bytes, output.count)
        cmsgpack_writer_free(&output)
    }
}
