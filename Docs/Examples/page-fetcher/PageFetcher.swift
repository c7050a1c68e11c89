// This source file is part of ZProc for Swift.
// SPDX-License-Identifier: Apache-2.0

import ExampleSupport
import Foundation
import FoundationNetworking
import ZProc

/// Finds all pages of a site, each from the links of others, with a swarm; and one after the other to compare.
///
///     page-fetcher [--threads]
///
/// The site is this program's own, on a local port: 120 pages, each of which takes 20 ms to be answered.
@main struct PageFetcher {
    static func main() async throws {
        let site = try Site(pageCount: 120, delay: .milliseconds(20)), start = "http://127.0.0.1:\(site.port)/0"
        let clock = ContinuousClock()

        var alone: Set<String> = []
        let loopTime = try await clock.measure {
            alone = try await crawl(from: start) { pages in
                var links: [[String]] = []
                for page in pages { links.append(try await fetchLinks(of: page)) }
                return links
            }
        }
        try await withContext(Backend.chosen) { context in
            // Workers that wait cost little: more of them than processors.
            let swarm = try context.swarm(workers: 8)
            try await swarm.forEach(0..<swarm.count) { _ in }
            var options = MapOptions()
            options.chunkSize = 1
            options.retry = RetryPolicy(3, delay: .exponential(from: .milliseconds(50)))
            options.itemTimeout = .seconds(10)
            var found: Set<String> = []
            let swarmTime = try await clock.measure { [options] in
                found = try await crawl(from: start) { pages in
                    try await swarm.map(pages, options: options) { try await fetchLinks(of: $0) }
                }
            }
            try expect("pages", found.count, 120)
            try expect("the same pages", found == alone)
            print("one after the other \(loopTime), eight at once \(swarmTime)")
        }
    }
}

/// The addresses of all pages that links lead to, wave after wave.
func crawl(from start: String, fetch: ([String]) async throws -> [[String]]) async throws -> Set<String> {
    var found: Set = [start], wave = [start]
    while !wave.isEmpty {
        let links = try await fetch(wave).joined()
        wave = links.filter { found.insert($0).inserted }
    }
    return found
}

struct FetchError: Error, Codable {
    var page: String
    var status: Int
}

/// The links of a page.
func fetchLinks(of page: String) async throws -> [String] {
    guard let address = URL(string: page) else { throw FetchError(page: page, status: 0) }
    let (content, response) = try await URLSession.shared.data(from: address)
    let status = (response as? HTTPURLResponse)?.statusCode ?? 0
    guard status == 200 else { throw FetchError(page: page, status: status) }
    return String(decoding: content, as: UTF8.self).matches(of: /href="(.*?)"/).compactMap {
        URL(string: String($0.1), relativeTo: address)?.absoluteString
    }
}
