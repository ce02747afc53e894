/// The stylesheet of the page that describes the operations to people.
///
/// On wide screens the list of operations stands beside them, and examples beside what they show;
/// on narrow ones all is one column, and the list stands at the end, to which a link at the top leads.
enum DescriptionStyle {
  static let css = """
    :root{color-scheme:light dark;--bg:#fbfbfc;--card:#fff;--text:#1c2028;--soft:#5a6272;--line:#e4e7ec;--link:#2f4fc4;--code:#f1f3f7;--dark:#1b1f28;--on-dark:#e6e9f0;--get:#1a6f4a;--get-bg:#e4f4ec;--post:#2f4fc4;--post-bg:#e7ecfb;--patch:#8a5a00;--patch-bg:#fdf2dc;--delete:#a8322a;--delete-bg:#fbe8e6}
    @media (prefers-color-scheme:dark){:root{--bg:#111318;--card:#171a20;--text:#e9ecf2;--soft:#a2abbb;--line:#2a2f39;--link:#93a9ff;--code:#222732;--dark:#0c0e12;--get:#6fd3a1;--get-bg:#163426;--post:#a3b5ff;--post-bg:#1e2748;--patch:#eabb62;--patch-bg:#372a12;--delete:#f39a90;--delete-bg:#3c1f1c}}
    *{box-sizing:border-box}
    html{scroll-padding-top:76px}
    body{margin:0;background:var(--bg);color:var(--text);font:15.5px/1.6 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;-webkit-text-size-adjust:100%}
    a{color:var(--link);text-underline-offset:3px}
    a:focus-visible,summary:focus-visible,pre:focus-visible{outline:2px solid var(--link);outline-offset:2px;border-radius:4px}
    h1,h2,h3,h4,p,dl,dd,ul{margin:0;padding:0}
    h1{font-size:30px;line-height:1.2;letter-spacing:-.018em;font-weight:680;text-wrap:balance}
    h2{font-size:24px;line-height:1.25;letter-spacing:-.014em;font-weight:660}
    h3{font-size:18px;line-height:1.35;font-weight:640}
    h3 a{color:inherit;text-decoration:none}
    h3 a:hover{text-decoration:underline}
    h4{margin:22px 0 6px;font-size:13.5px;line-height:1.5;font-weight:620}
    code,pre{font:13px/1.55 ui-monospace,SFMono-Regular,Menlo,Consolas,"Liberation Mono",monospace}
    code{overflow-wrap:anywhere}
    p code,dd code,h4 code{padding:1px 4px;border-radius:5px;background:var(--code);font-size:12.5px}
    pre{margin:0;padding:14px 16px;border-radius:10px;background:var(--dark);color:var(--on-dark);overflow:auto;max-height:340px;white-space:pre}
    .skip{position:absolute;left:-9999px}
    .skip:focus{left:12px;top:12px;z-index:3;padding:8px 14px;border-radius:8px;background:var(--card)}
    .top{position:sticky;top:0;z-index:2;display:flex;align-items:center;justify-content:space-between;gap:16px;height:60px;padding:0 28px;background:var(--card);border-bottom:1px solid var(--line);font-size:14.5px}
    .brand{display:flex;align-items:center;gap:10px;font-weight:640}
    .mark{display:grid;place-items:center;width:30px;height:30px;border-radius:8px;background:#34313f;color:#fff;font-size:15px}
    .version{color:var(--soft);font-weight:450}
    .frame{display:grid;grid-template-columns:292px minmax(0,1fr);max-width:1480px;margin:0 auto}
    nav{position:sticky;top:60px;align-self:start;height:calc(100vh - 60px);overflow-y:auto;padding:20px 12px 40px 28px;border-right:1px solid var(--line)}
    nav h2{margin:20px 0 4px;font-size:12.5px;letter-spacing:.02em;font-weight:640}
    nav h2 a{color:var(--soft);text-decoration:none}
    nav ul{list-style:none}
    nav li a{display:flex;align-items:baseline;gap:8px;padding:3px 8px 3px 0;color:var(--text);font-size:13.5px;line-height:1.4;text-decoration:none}
    nav a:hover{color:var(--link)}
    nav a .method.method{flex:none;width:46px;padding:0;background:none;font-size:10px;text-align:left}
    main{padding:36px 40px 120px;min-width:0}
    .lead{max-width:820px}
    .lead p{margin:14px 0 20px;color:var(--soft);text-wrap:pretty}
    .chapter{margin-top:64px;padding-top:36px;border-top:1px solid var(--line)}
    .detail{max-width:760px;color:var(--soft);text-wrap:pretty}
    .chapter>.detail{margin-top:6px}
    article{margin-top:28px;padding:24px 28px 28px;background:var(--card);border:1px solid var(--line);border-radius:14px}
    article:target{border-color:var(--link)}
    article .detail{margin-top:8px}
    article .detail:empty{display:none}
    .address{display:flex;align-items:baseline;gap:10px;margin-top:8px}
    .address code{font-size:14px;font-weight:560}
    .method{flex:none;padding:2px 8px;border-radius:6px;font:650 11px/1.6 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--get);background:var(--get-bg)}
    .method.post,.method.put{color:var(--post);background:var(--post-bg)}
    .method.patch{color:var(--patch);background:var(--patch-bg)}
    .method.delete{color:var(--delete);background:var(--delete-bg)}
    .needs{margin-top:8px;font-size:13.5px;color:var(--soft)}
    .pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 36px}
    .facts:not(:has(h4)){display:none}
    .facts:not(:has(h4))+.shown{grid-column:1/-1;max-width:820px}
    .row{padding:9px 0;border-top:1px solid var(--line)}
    dl .row:first-child{border-top:0}
    dt{display:flex;flex-wrap:wrap;align-items:baseline;gap:2px 9px;min-width:0}
    dt code{font-weight:600}
    .kind,.place{font-size:12.5px;color:var(--soft);overflow-wrap:anywhere}
    .place:before{content:"in "}
    .must{font-size:11.5px;font-weight:600;color:var(--delete)}
    dd{font-size:14px;color:var(--soft);text-wrap:pretty}
    .status{display:inline-block;min-width:34px;font:650 12.5px/1.5 ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;color:var(--delete)}
    .status.good{color:var(--get)}
    .links{font-size:13.5px;margin-bottom:6px}
    details{margin-top:10px}
    summary{cursor:pointer;font-size:13.5px;color:var(--soft)}
    details pre{margin-top:8px}
    .refusals{list-style:none;margin-top:6px}
    .refusals li{display:flex;flex-wrap:wrap;gap:0 10px;padding:3px 0}
    .refusals a{text-decoration:none}
    .object dl,.codes{max-width:820px}
    .codes{margin-top:20px}
    .codes .row:target{background:var(--code)}
    @media (min-width:1001px){.jump{display:none}}
    .jump{margin-right:18px}
    @media (max-width:1200px){.pair{grid-template-columns:minmax(0,1fr)}}
    @media (max-width:1000px){.frame{grid-template-columns:minmax(0,1fr)}nav{order:2;position:static;height:auto;padding:14px 20px 60px;border-right:0;border-top:1px solid var(--line);columns:2;column-gap:28px;scroll-margin-top:60px}nav li a{padding:7px 0}nav h2{break-after:avoid-column}main{padding:28px 20px 80px}.top{padding:0 20px}}
    @media (max-width:600px){h1{font-size:26px}.version{display:none}.jump{margin-right:14px}article{margin-left:-8px;margin-right:-8px;padding:18px 16px 22px}nav{columns:1}.chapter{margin-top:44px;padding-top:28px}pre{padding:12px;font-size:12px}}
    """
}
