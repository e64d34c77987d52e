"""Has an MCP server for LightRAG, which is given a host, a port and a key, use its tools."""

import asyncio
import json
import os

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

CALLS = {
    "check_lightrag_health": {},
    "insert_document": {"text": "Keeper Astrid paints the Lighthouse."},
    "get_pipeline_status": {},
    "get_documents": {},
    "get_graph_labels": {},
    "query_document": {"query": os.environ["QUESTION"], "mode": "naive"},
}


async def main():
    server = StdioServerParameters(
        command="lightrag-mcp",
        args=["--host", os.environ["TO_HOST"], "--port", os.environ["TO_PORT"], "--api-key", os.environ["KEY"]],
    )
    results = {}
    with open(os.devnull, "w") as quiet:
        async with stdio_client(server, errlog=quiet) as (read, write), ClientSession(read, write) as session:
            await session.initialize()
            results["tools"] = [tool.name for tool in (await session.list_tools()).tools]
            for name, arguments in CALLS.items():
                answer = await session.call_tool(name, arguments)
                results[name] = "".join(part.text for part in answer.content)
    print(json.dumps(results))


asyncio.run(main())
