/// The one page that merchants see, in its variants.
///
/// `{{…}}` escapes; nothing is inserted without escaping.
enum PageTemplate {
  static let text = """
    <!doctype html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <meta name="color-scheme" content="light dark">
    <title>{{title}} – {{brand}}</title>
    <link rel="icon" href="data:,">
    <style>{{style}}</style>
    </head>
    <body>
    <main>
    <header>{{#logo}}<img src="{{logo}}" alt="" height="32">{{/logo}}<p class="brand">{{brand}}</p></header>
    <div class="mark {{tone}}" aria-hidden="true"></div>
    <h1>{{title}}</h1>
    <p class="lead">{{lead}}</p>
    {{#hasSteps}}<ol>{{#steps}}<li>{{.}}</li>{{/steps}}</ol>{{/hasSteps}}
    {{#hasScopes}}<section class="note"><h2>Some permissions are missing</h2>
    <p>The app works, but some of its functions need permissions that were not granted:</p>
    <ul>{{#scopes}}<li><code>{{.}}</code></li>{{/scopes}}</ul>
    <p>Open the app again from your control panel and accept the new permissions when you are asked.</p></section>{{/hasScopes}}
    <footer>{{#store}}<p>Store <code>{{store}}</code></p>{{/store}}{{#request}}<p>Reference <code>{{request}}</code></p>{{/request}}{{#support}}<p><a href="{{support}}" target="_blank" rel="noopener noreferrer">Get help</a></p>{{/support}}</footer>
    </main>
    </body>
    </html>
    """

  /// The stylesheet; its digest is in the page's policy, so nothing else may style the page.
  static func style(color: String) -> String {
    """
    :root{--accent:\(color);--ground:#f4f5f8;--card:#fff;--ink:#1c2230;--soft:#5b6475;--line:#e3e6ec;--good:#1a7f4b;--bad:#b3261e}\
    @media (prefers-color-scheme:dark){:root{--ground:#12151c;--card:#1b202a;--ink:#eceff5;--soft:#a3acbd;--line:#2d3442;--good:#4cc38a;--bad:#ff8a80}}\
    *{box-sizing:border-box}\
    body{margin:0;min-height:100vh;display:grid;place-items:center;padding:24px 16px;background:var(--ground);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}\
    main{width:100%;max-width:520px;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--accent);border-radius:12px;padding:32px;box-shadow:0 8px 30px rgba(20,30,60,.08)}\
    header{display:flex;align-items:center;gap:12px;margin-bottom:28px}\
    header img{display:block;max-width:160px}\
    .brand{margin:0;font-weight:600;color:var(--soft)}\
    .mark{width:44px;height:44px;border-radius:50%;margin-bottom:16px;position:relative;background:color-mix(in srgb,var(--tone) 16%,transparent)}\
    .mark::after{content:"";position:absolute;border:solid var(--tone)}\
    .mark.good{--tone:var(--good)}\
    .mark.good::after{left:17px;top:11px;width:9px;height:17px;border-width:0 3px 3px 0;transform:rotate(45deg)}\
    .mark.bad{--tone:var(--bad)}\
    .mark.bad::after{left:20px;top:11px;width:0;height:14px;border-width:0 0 0 4px}\
    .mark.bad::before{content:"";position:absolute;left:20px;top:29px;width:4px;height:4px;border-radius:2px;background:var(--tone)}\
    .mark.calm{--tone:var(--accent)}\
    .mark.calm::after{left:13px;top:13px;width:18px;height:18px;border-width:3px;border-radius:5px}\
    h1{font-size:1.5rem;line-height:1.25;margin:0 0 8px}\
    h2{font-size:1rem;margin:0 0 8px}\
    .lead{margin:0 0 16px;color:var(--soft)}\
    ol,ul{padding-left:22px;margin:0 0 16px}\
    li{margin:4px 0}\
    .note{border:1px solid var(--line);border-radius:10px;padding:16px;margin-bottom:16px}\
    .note p:last-child{margin-bottom:0}\
    code{font:0.9em ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;overflow-wrap:anywhere}\
    footer{display:flex;flex-wrap:wrap;gap:4px 20px;border-top:1px solid var(--line);padding-top:16px;margin-top:24px;font-size:.85rem;color:var(--soft)}\
    footer p{margin:0}\
    a{color:var(--accent)}\
    @media (prefers-color-scheme:dark){a{color:color-mix(in srgb,var(--accent) 55%,white)}}\
    a:focus-visible{outline:3px solid var(--accent);outline-offset:2px;border-radius:4px}\
    @media (max-width:480px){main{padding:24px 20px}}
    """
  }
}
