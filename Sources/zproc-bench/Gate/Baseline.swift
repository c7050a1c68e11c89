// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import FoundationEssentials

/// Figures of an earlier run that later ones are held against.
///
/// Reads what `--json` wrote; of each figure its name, its backend and its value.
struct Baseline<Figure: BaselineFigure> {
    private let figures: [FigureName: Double]

    /// - Throws: ``BenchError`` when the file cannot be read.
    init(path: String) throws {
        let data: Data
        do {
            data = try Data(contentsOf: URL(filePath: path))
        } catch {
            throw BenchError("the baseline \(path) cannot be read; write one with --json")
        }
        try self.init(data, path: path)
    }

    init(_ data: Data, path: String) throws {
        do {
            let list = try JSONDecoder().decode([Figure].self, from: data)
            figures = Dictionary(list.map { ($0.figureName, $0.value) }) { _, last in last }
        } catch {
            throw BenchError("the baseline \(path) is no report that --json writes: \(error)")
        }
    }

    /// Holds a figure against the one of the same name.
    ///
    /// - Parameters:
    ///   - figure: what was measured now.
    ///   - tolerance: by which part it may be worse; 0.25 allows times of 1.25, and rates of 1 / 1.25.
    /// - Returns: What became of it.
    func verdict(on figure: Figure, tolerance: Double) -> Verdict {
        guard let before = figures[figure.figureName] else { return .new }
        // Nothing is worse than nothing, and what is no number is.
        if before == figure.value { return .kept }
        let worse = figure.isRate ? before / figure.value : figure.value / before
        return worse <= 1 + tolerance ? .kept : .regressed(before: before, now: figure.value)
    }
}

/// What became of a figure.
enum Verdict: Equatable {
    /// The baseline has none of that name.
    case new
    case kept
    case regressed(before: Double, now: Double)
}

/// What a figure is known by.
struct FigureName: Hashable {
    var name: String, backend: String
}

/// A figure of a baseline's file.
protocol BaselineFigure: Decodable {
    var figureName: FigureName { get }
    var value: Double { get }
    /// Whether more is better.
    var isRate: Bool { get }
}
