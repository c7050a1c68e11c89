// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

internal import MessagePack
internal import ZProcCore

// The two messages that each chunk of work needs, written and read by hand.

extension WorkRequest {
    /// The form it travels in, `[swarm, worker, asks, memory, [report…]]`.
    func encoded(with encoder: MessagePackEncoder) throws -> [UInt8] {
        let byteCount = reports.reduce(0) { $0 + $1.byteCount }
        return try FieldWriter.bytes(count: 5, first: worker.swarm, capacity: byteCount) { writer in
            writer.append(worker.worker)
            writer.append(asks)
            writer.append(UInt64(clamping: memoryByteCount))
            writer.append(arrayOf: reports.count)
            for report in reports { try report.write(to: &writer, with: encoder) }
        }
    }

    /// Reads the message.
    ///
    /// - Throws: for anything that is none.
    init(decoding bytes: ArraySlice<UInt8>, with decoder: MessagePackDecoder) throws {
        var reader = FieldReader(bytes: bytes)
        try reader.readArrayHeader(of: 5)
        worker = WorkerName(swarm: try reader.readUInt(), worker: try reader.readUInt())
        asks = try reader.readBool()
        memoryByteCount = Int(clamping: try reader.readUInt())
        reports = []
        let count = try reader.readArrayHeader()
        // A report is an array of three values at least.
        guard count <= decoder.limits.maximumValueCount / 4 else { throw reader.malformed("\(count) reports") }
        for _ in 0..<count {
            reports.append(try ChunkReport(from: &reader, with: decoder))
        }
        try reader.finish()
    }
}

extension ChunkReport {
    private enum Kind: UInt64 { case results, someResults, failed, cancelled, tooLarge }

    /// About how many bytes it has.
    fileprivate var byteCount: Int { if case .results(let bytes, _) = outcome { bytes.count + 32 } else { 32 } }

    /// Writes `[chunk, nanoseconds, kind, …]`; failures are binary that holds an array of them.
    fileprivate func write(to writer: inout FieldWriter, with encoder: MessagePackEncoder) throws {
        func begin(_ kind: Kind, _ count: Int) {
            writer.append(arrayOf: 3 + count)
            writer.append(chunk)
            writer.append(UInt64(max(0, runTime.nanoseconds)))
            writer.append(kind.rawValue)
        }
        switch outcome {
        case .results(let results, let failures) where failures.isEmpty:
            begin(.results, 1)
            writer.append(results)
        case .results(let results, let failures):
            begin(.someResults, 2)
            writer.append(results)
            writer.append(try encoder.encode(failures))
        case .failed(let failure):
            begin(.failed, 1)
            writer.append(try encoder.encode([failure]))
        case .cancelled: begin(.cancelled, 0)
        case .tooLarge(let byteCount):
            begin(.tooLarge, 1)
            writer.append(UInt64(byteCount))
        }
    }

    fileprivate init(from reader: inout FieldReader, with decoder: MessagePackDecoder) throws {
        let count = try reader.readArrayHeader()
        chunk = try reader.readUInt()
        runTime = .nanoseconds(Int64(clamping: try reader.readUInt()))
        func failures() throws -> [ItemFailure] { try decoder.decode([ItemFailure].self, from: reader.readBinary()) }
        switch (Kind(rawValue: try reader.readUInt()), count) {
        case (.results, 4): outcome = .results(try reader.readLargeBinary(), failures: [])
        case (.someResults, 5): outcome = .results(try reader.readLargeBinary(), failures: try failures())
        case (.failed, 4):
            guard let failure = try failures().first else { throw reader.malformed("no failure") }
            outcome = .failed(failure)
        case (.cancelled, 3): outcome = .cancelled
        case (.tooLarge, 4): outcome = .tooLarge(Int(clamping: try reader.readUInt()))
        default: throw reader.malformed("an unknown report")
        }
    }
}

extension WorkBatch {
    /// The form it travels in, `[is last, [definition…], [forgotten job…], [[job, chunk, items]…]]`.
    ///
    /// Tasks that are called in one place have the same closure, which is there once as long as no other comes between.
    var encoded: [UInt8] {
        // As if all had the closure of the first.
        var byteCount = 64 + 9 * forgotten.count + 64 * definitions.count + (definitions.first?.work.count ?? 0)
        for chunk in chunks { byteCount += chunk.items.count + 32 }
        return FieldWriter.bytes(count: 4, capacity: byteCount) { writer in
            writer.append(isLast)
            writer.append(arrayOf: definitions.count)
            var former: [UInt8] = []
            for definition in definitions {
                definition.write(to: &writer, after: former)
                former = definition.work
            }
            writer.append(arrayOf: forgotten.count)
            for job in forgotten { writer.append(job) }
            writer.append(arrayOf: chunks.count)
            for chunk in chunks {
                writer.append(arrayOf: 3)
                writer.append(chunk.job)
                writer.append(chunk.chunk)
                writer.append(chunk.items)
            }
        }
    }

    /// Reads the message.
    ///
    /// - Throws: for anything that is none.
    init(decoding bytes: ArraySlice<UInt8>) throws {
        var reader = FieldReader(bytes: bytes)
        try reader.readArrayHeader(of: 4)
        isLast = try reader.readBool()
        for _ in 0..<(try reader.readArrayHeader()) {
            definitions.append(try JobDefinition(from: &reader, after: definitions.last?.work ?? []))
        }
        for _ in 0..<(try reader.readArrayHeader()) { forgotten.append(try reader.readUInt()) }
        for _ in 0..<(try reader.readArrayHeader()) {
            try reader.readArrayHeader(of: 3)
            chunks.append(
                ChunkWork(job: try reader.readUInt(), chunk: try reader.readUInt(), items: try reader.readLargeBinary())
            )
        }
        try reader.finish()
    }
}

extension JobDefinition {
    private struct Flags: OptionSet {
        let rawValue: UInt64
        static let collectsFailures = Flags(rawValue: 1), mayRetry = Flags(rawValue: 2), isSingle = Flags(rawValue: 4)
    }

    /// Writes `[job, closure, flags, [text…]]`; the closure is empty when it is that of the definition before.
    fileprivate func write(to writer: inout FieldWriter, after former: [UInt8]) {
        var flags: Flags = []
        if collectsFailures { flags.insert(.collectsFailures) }
        if mayRetry { flags.insert(.mayRetry) }
        if isSingle { flags.insert(.isSingle) }
        writer.append(arrayOf: 4)
        writer.append(job)
        writer.append(work == former ? [] : work)
        writer.append(flags.rawValue)
        writer.append(trace)
    }

    fileprivate init(from reader: inout FieldReader, after former: [UInt8]) throws {
        try reader.readArrayHeader(of: 4)
        job = try reader.readUInt()
        let work = try reader.readBinary()
        self.work = work.isEmpty ? former : work
        let flags = Flags(rawValue: try reader.readUInt())
        collectsFailures = flags.contains(.collectsFailures)
        mayRetry = flags.contains(.mayRetry)
        isSingle = flags.contains(.isSingle)
        trace = try reader.readStrings()
    }
}
